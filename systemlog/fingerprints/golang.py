"""Panics and stack traces of Go."""

from __future__ import annotations

import re

from systemlog.fingerprints.templates import mask
from systemlog.fingerprints.traces import Frame, Trace, place, places_of

RUNTIME_ERROR = "runtime error: "

_frame = re.compile(r"^(?P<function>[^\s(][^\n]*?)(?:\([^()\n]*\))?\n\s+(?P<path>[^\n:]+\.go):[0-9]+", re.MULTILINE)
_foreign = re.compile(r"/pkg/mod/|/vendor/|/go/src/|/go[0-9.]*/src/|/libexec/src/|/toolchain@|^_cgo|^<")
_foreign_function = re.compile(r"(?:runtime|testing|reflect|sync|syscall|net/http|net|os|io|panic|created by)\b[.( ]?")
_first = re.compile(r"^(?P<kind>panic|fatal error): (?P<value>.*)$", re.MULTILINE)
_goroutine = re.compile(r"^goroutine [0-9]+ ", re.MULTILINE)
_brackets = re.compile(r"\[[^\]]*\]")


def is_go(text: str) -> bool:
    """Whether the text has calls of Go."""
    return _frame.search(text) is not None


def parse(text: str) -> Trace:
    """Return the last panic, with the calls of the goroutine that panicked, which is the first one in the text."""
    panics = list(_first.finditer(_nested(text)))
    goroutines = [match.start() for match in _goroutine.finditer(text)]
    stack = text[goroutines[0] : goroutines[1]] if len(goroutines) > 1 else text
    frames = [
        Frame(place(match["path"], _name(match["function"])), _is_own(match["function"], match["path"]))
        for match in _frame.finditer(stack)
        if not match["function"].startswith(("goroutine ", "created by "))
    ]
    if panics:
        last = panics[-1]
        value = last["value"].removesuffix(" [recovered]")
        kind = last["kind"]
        if value.startswith(RUNTIME_ERROR):
            return Trace(f"{kind}: {mask(value)}", places_of(frames), "")
        return Trace(kind if kind == "panic" else f"{kind}: {mask(value)}", places_of(frames), value)
    first = text.split("\n", 1)[0]
    return Trace("", places_of(frames), first)


def _nested(text: str) -> str:
    """Return the text with each nested panic, which Go indents, at the beginning of its line."""
    return text.replace("\n\tpanic: ", "\npanic: ")


def _name(function: str) -> str:
    """Return a function without the path of its package and without type arguments."""
    return _brackets.sub("", function.rsplit("/", 1)[-1])


def _is_own(function: str, path: str) -> bool:
    return not _foreign.search(path) and not _foreign_function.match(function)
