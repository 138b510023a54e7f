"""Stack traces of JavaScript: those of V8 (Node.js, Chrome), and those of Firefox and Safari."""

from __future__ import annotations

import re

from systemlog.fingerprints.traces import Frame, Trace, place, places_of

_v8 = re.compile(
    r"\s+at (?:async )?(?:new )?(?:(?P<function>[^()]+?) (?:\[as [^\]]+\] )?\()?"
    r"(?P<path>[^()]*?):[0-9]+(?::[0-9]+)?\)?,?( \{)?"
)
_v8_nowhere = re.compile(r"\s+at (?:async )?(?:(?P<function>[^()]+?) )?\(?(?P<path><anonymous>|native|index [0-9]+)\)?")
_gecko = re.compile(r"(?P<function>[^\s@]*)@(?P<path>\S+?):[0-9]+(?::[0-9]+)?")
_foreign = re.compile(
    r"(?:^|[/\\])node_modules[/\\]|^node:|^internal/|^<|^native|^index |^\[native|^webpack/"
    r"|^(?:chrome|moz|safari-web)-extension:"
)
_type = re.compile(r"(?:Uncaught )?(?P<type>[A-Za-z_$][\w$.]*)(?: \[[\w.]+\])?(?=:|$)")
_cause = re.compile(r"^\s*\[cause\]: |^Caused by: |^\s+Caused by: ")
# Bundlers put a hash of the content into file names: app.3f2a9c1b.js, index-BxK3d9aZ.js.
_hash = re.compile(r"[.-](?=[\w-]*[0-9])[A-Za-z0-9_-]{8,}(?=\.(?:chunk|min|bundle)?\.?[cm]?js)")
_query = re.compile(r"[?#].*")
_receiver = re.compile(r"^(?:Object|Module|Function|exports|async|process|global|window)\.")


def is_frame(line: str) -> bool:
    """Whether the line is a call in a stack trace of JavaScript."""
    return bool(_v8.fullmatch(line) or _v8_nowhere.fullmatch(line) or _gecko.fullmatch(line.strip()))


def parse(text: str) -> Trace:
    """Return the root cause: the last exception of the chain."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _cause.match(line)]
    block = lines[starts[-1] :] if starts else lines
    frames = [frame for line in block if (frame := _frame(line))]
    first = _cause.sub("", block[0])
    if is_frame(block[0]):  # stacks of Firefox and Safari have no line with type and message
        return Trace("", places_of(frames))
    match = _type.match(first)
    value = first[match.end() :].removeprefix(": ") if match else first
    return Trace(match["type"] if match else "", places_of(frames), value)


def _frame(line: str) -> Frame | None:
    found = _v8.fullmatch(line) or _v8_nowhere.fullmatch(line) or _gecko.fullmatch(line.strip())
    if found is None:
        return None
    path = _hash.sub("", _query.sub("", found["path"] or ""))
    function = _receiver.sub("", (found["function"] or "").split("/")[-1])
    return Frame(place(path, function or "<anonymous>"), not _foreign.search(path))
