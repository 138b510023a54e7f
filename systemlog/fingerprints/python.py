"""Tracebacks of Python in the format of the module `traceback`, including chains and exception groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from systemlog.fingerprints.traces import Frame, Trace, place, places_of

HEADER = "Traceback (most recent call last):"
GROUP_HEADER = "Exception Group Traceback (most recent call last):"
CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)

# Python 3.11 and earlier have frames for comprehensions; Python 3.12 and later inline them.
COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")

_frame = re.compile(r'\s*File "(?P<path>[^"\n]+)", line [0-9]+, in (?P<function>.+)')
_foreign = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:32|64)?[/\\](?:python|pypy)[0-9]|[/\\]python[0-9.]*[/\\]lib[/\\]"
    r"|[/\\]python[0-9]+\.zip[/\\]|^<",
    re.IGNORECASE,
)
_type = re.compile(r"[^\W\d][\w.]*(?:\.<locals>\.[\w.<>]+)?(?=:|$)")
_margin = re.compile(r"(?P<margin>[ |]*)(?:\+ )?(?P<rest>.*)")


def is_python(text: str) -> bool:
    """Whether the text is a traceback of Python."""
    return HEADER in text or text.startswith('  File "')


def is_own(path: str) -> bool:
    """Whether a file belongs to the project: not to an installed package and not to Python itself."""
    return not _foreign.search(path)


def parse(text: str) -> Trace:
    """Return the last exception of the chain."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line in CHAINED]
    lines = lines[starts[-1] + 1 :] if starts else lines
    header = next((number for number, line in enumerate(lines) if line.strip(" +|") in (HEADER, GROUP_HEADER)), -1)
    if header >= 0 and GROUP_HEADER in lines[header]:
        return _group(lines[header:])
    return _block(lines[header + 1 :])


def _block(lines: list[str]) -> Trace:
    """Return the exception whose frames are at the beginning of these lines."""
    frames = []
    for number, line in enumerate(lines):
        if line.startswith((" ", "…")) or not line:
            if 'File "' in line and (match := _frame.fullmatch(line)) and match["function"] not in COMPREHENSIONS:
                frames.append(Frame(place(match["path"], match["function"]), is_own(match["path"])))
            continue
        match = _type.match(line)
        value = "\n".join([line[match.end() :].removeprefix(": ") if match else line, *lines[number + 1 :]])
        return Trace(match[0] if match else "", places_of(reversed(frames)), value)
    return Trace("", places_of(reversed(frames)))


def _group(lines: list[str]) -> Trace:
    """Return an exception group. The kinds of exceptions in it count; the number of exceptions of a kind does not."""
    blocks = list(_blocks(lines)) or [Trace("", ())]
    whole, parts = blocks[0], blocks[1:]
    inside = sorted({f"{part.type}({','.join(part.places)})" for part in parts if part.type})
    return whole._replace(places=(*whole.places, *inside))


def _blocks(lines: list[str]) -> Iterator[Trace]:
    """Yield the group itself, then each exception in it, including those in nested groups."""
    block: list[str] = []
    for line in lines[1:]:
        stripped = line.lstrip(" |")
        if stripped.startswith("+-") or (stripped.startswith("+ ") and stripped[2:] == GROUP_HEADER):
            if block:
                yield _block(block)
            block = []
            continue
        margin = line.rfind("| ", 0, len(line) - len(stripped) + 1) if "|" in line[: len(line) - len(stripped)] else -2
        text = line[margin + 2 :]
        if text in CHAINED:
            block = []
        elif text not in (HEADER, GROUP_HEADER):
            block.append(text)
    if block:
        yield _block(block)
