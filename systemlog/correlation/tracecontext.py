"""W3C Trace Context, level 2: reads incoming `traceparent` and `tracestate` headers, and makes outgoing ones.

The functions are pure. An invalid `traceparent` starts a new trace, as the specification demands.
"""

from __future__ import annotations

import os
import re

MAX_TRACEPARENT_LENGTH = 512
"""Headers longer than this are invalid. Version 00 has 55 characters; a future version may have more."""

MAX_TRACESTATE_LENGTH = 512
"""Longer headers lose members. The specification demands that at least this many characters are passed on (3.3.1.5)."""

MAX_MEMBERS = 32
LONG_MEMBER = 128

SAMPLED = 0x01
RANDOM = 0x02

_rest = (
    r"-(?!0{32})[0-9a-f]{32}"  # trace id
    r"-(?!0{16})[0-9a-f]{16}"  # parent id
    r"-[0-9a-f]{2}"  # flags
)
_traceparent = re.compile(
    rf"00{_rest}"
    rf"|(?!00|ff)[0-9a-f]{{2}}{_rest}(?:-[\x20-\x7e]*)?"  # a future version may say more
).fullmatch

_member = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_*/@-]{0,255})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
).fullmatch


class TraceContext:
    """The trace of a request. Takes a valid `traceparent`; in every version its known parts have the same positions.

    Flags and `tracestate` are parsed only when an outgoing call needs them.
    """

    __slots__ = ("_traceparent", "_tracestate", "trace_id")

    def __init__(self, traceparent: str, tracestate: str = "") -> None:
        self.trace_id = traceparent[3:35]
        self._traceparent = traceparent
        self._tracestate = tracestate

    def headers(self, parent_id: str = "") -> dict[str, str]:
        """Return the headers of one outgoing call. `parent_id` is the caller's span; the default is a random id."""
        flags = int(self._traceparent[53:55], 16) & (SAMPLED | RANDOM)
        headers = {"traceparent": f"00-{self.trace_id}-{parent_id or os.urandom(8).hex()}-{flags:02x}"}
        if self._tracestate and (tracestate := read_tracestate(self._tracestate)):
            headers["tracestate"] = tracestate
        return headers


def start() -> TraceContext:
    """Return a new trace with a random id. It has the random flag, but not the sampled flag, which a tracer decides."""
    return TraceContext(f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-{RANDOM:02x}")


def read(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """Return the trace that the two headers name; None if `traceparent` is invalid.

    A server joins repeated headers with commas. Two `traceparent` headers are therefore invalid, and several
    `tracestate` headers are one list.
    """
    if len(traceparent) > MAX_TRACEPARENT_LENGTH:
        return None
    traceparent = traceparent.strip(" \t")
    return TraceContext(traceparent, tracestate) if _traceparent(traceparent) else None


def read_tracestate(tracestate: str) -> str:
    """Return the `tracestate` to pass on; "" if it has an invalid member or too many.

    Of several members with the same key the first is kept, because an updated member is put first (3.5).
    """
    members = [member for part in tracestate.split(",") if (member := part.strip(" \t"))]
    if len(members) > MAX_MEMBERS:
        return ""
    by_key: dict[str, str] = {}
    for member in members:
        found = _member(member)
        if found is None:
            return ""
        by_key.setdefault(found["key"], member)
    return ",".join(_shortened(list(by_key.values())))


def _shortened(members: list[str]) -> list[str]:
    """Return members that fit into `MAX_TRACESTATE_LENGTH`: drop those over 128 characters, then the last (3.3.1.5)."""

    def is_too_long() -> bool:
        return sum(map(len, members)) + len(members) - 1 > MAX_TRACESTATE_LENGTH

    if is_too_long():
        members = [member for member in members if len(member) <= LONG_MEMBER]
    while is_too_long():
        members = members[:-1]
    return members
