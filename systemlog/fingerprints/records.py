"""The fingerprint of a record, from its category, message and context."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from systemlog.fingerprints import tracebacks
from systemlog.fingerprints.python import is_own
from systemlog.fingerprints.templates import mask
from systemlog.fingerprints.traces import Frame, Trace, place, places_of

ALGORITHM = 1
"""The version of these rules. Raise it when a change of the rules changes ids: see "Other rules" in docs/groups.md."""

GRAVE = frozenset(("ERROR", "CRITICAL"))
"""The levels whose records belong to a group."""

OTHER = "other"
"""The prefix of the id of a group that counts the new errors of a source that has made too many groups."""

EXCEPTION, MESSAGE = "exception", "message"
"""The kinds of groups: identified by an exception, or by the template of a message."""

MAX_TITLE = 200
TEMPLATE = "template"
"""The key of the context under which the handler stores the message of a record without its arguments."""

STACKS = (
    ("exception.stacktrace",),
    ("error.stack_trace",),
    ("error", "stack_trace"),
    ("error", "stack"),
    ("exception", "stacktrace"),
    ("err", "stack"),
    ("stack_trace",),
    ("stack",),
    ("exc_info",),
    ("thrown", "extendedStackTrace"),
)
"""Paths of keys in the context under which common shippers put a traceback, besides `exception`."""


class Identity(NamedTuple):
    """The group of a record: its id, kind and title, and whether the traceback alone decides the id."""

    id: str
    kind: str
    title: str
    by_traceback: bool = False


def identify(category: str, message: str, context: Mapping[str, Any]) -> Identity:
    """Return the group of a record of level ERROR or CRITICAL. Never raises, whatever the context holds."""
    for trace in _traces(context):
        if trace.places:
            return Identity(digest(EXCEPTION, trace.type, *trace.places), EXCEPTION, _title(trace), by_traceback=True)
        if trace.type:
            value = template_of(message, context)
            return Identity(digest(EXCEPTION, trace.type, "", category, value), EXCEPTION, _title(trace))
    if written := _trace_in(message, context):
        return Identity(digest(EXCEPTION, written.type, *written.places), EXCEPTION, _title(written))
    template = template_of(message, context)
    return Identity(digest(MESSAGE, category, template), MESSAGE, shortened(template))


def places_in(message: str, context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the places in the code that identify the group of a record with a traceback, empty without a traceback."""
    for trace in _traces(context):
        if trace.places or trace.type:
            return trace.places
    written = _trace_in(message, context)
    return written.places if written else ()


def template_of(message: str, context: Mapping[str, Any]) -> str:
    """Return the message without its arguments if the context has it, otherwise the message with its values masked."""
    return _given_template(context) or mask(message)


def id_of_other(source: str) -> str:
    """Return the id of the group that counts the new errors of a source that has made too many groups."""
    return f"{OTHER}{digest(OTHER, source)[:11]}"


def digest(*parts: str) -> str:
    """Return the hash of the parts and of `ALGORITHM` as an id of 16 hexadecimal digits."""
    text = "\0".join((str(ALGORITHM), *parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def shortened(text: str) -> str:
    """Return the first line of a text that is not blank, cut to the length of a title."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"


def _title(trace: Trace) -> str:
    value = shortened(trace.value)
    return shortened(f"{trace.type}: {value}" if trace.type and value else trace.type or value or trace.places[0])


def _traces(context: Mapping[str, Any]) -> Iterator[Trace]:
    """Yield the tracebacks of a context, the most reliable one first: `exception`, then those under `STACKS`."""
    given = context.get("exception")
    if isinstance(given, str) and given:
        yield tracebacks.parse(given)
    elif isinstance(given, list):
        yield _structured(given)
    for path in STACKS:
        value: Any = context
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        is_stack = isinstance(value, str) and not value.startswith("Stack (most recent call last)")
        if is_stack and (trace := tracebacks.parse(value)).places:
            yield trace


def _trace_in(message: str, context: Mapping[str, Any]) -> Trace | None:
    """Return the traceback in a message, unless the record was logged with a template, which identifies it then."""
    trace = None if _given_template(context) else tracebacks.find(message)
    return trace if trace and trace.places else None


def _given_template(context: Mapping[str, Any]) -> str:
    """Return the template that a record was logged with, or an empty text."""
    template = context.get(TEMPLATE)
    return template if isinstance(template, str) and template.strip() else ""


def _structured(stacks: list[Any]) -> Trace:
    """Return the last exception of the chain in the format of structlog's `dict_tracebacks`, where it comes first."""
    stack = stacks[0] if stacks and isinstance(stacks[0], Mapping) else {}
    frames = stack.get("frames")
    found = []
    for frame in frames if isinstance(frames, list) else ():
        if isinstance(frame, Mapping):
            path, name = str(frame.get("filename", "")), str(frame.get("name", ""))
            found.append(Frame(place(path, name), is_own(path)))
    kind = stack.get("exc_type")
    return Trace(kind if isinstance(kind, str) else "", places_of(reversed(found)), str(stack.get("exc_value", "")))
