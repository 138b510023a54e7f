"""W3C Trace Context, level 2: what an incoming `traceparent` and `tracestate` say, and what goes outwards.

Pure functions and one value; nothing here knows a request. What is not valid to the letter restarts the trace.
"""

from __future__ import annotations

import os
import re

MAX_TRACEPARENT_LENGTH = 512
"""A future version may be longer than the 55 characters of today's; longer than this is no trace context."""

MAX_TRACESTATE_LENGTH = 512
"""What the specification asks to be passed on at least (3.3.1.5); what is longer loses members."""

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
    """The trace that a request takes part in. What only outgoing calls need is read when there is one.

    Of a valid `traceparent` everything that is known stands at its place, in every version.
    """

    __slots__ = ("_traceparent", "_tracestate", "trace_id")

    def __init__(self, traceparent: str, tracestate: str = "") -> None:
        self.trace_id = traceparent[3:35]
        self._traceparent = traceparent
        self._tracestate = tracestate

    def headers(self, parent_id: str = "") -> dict[str, str]:
        """The headers of one outgoing call: a parent id of its own, unless the caller has a span for it."""
        flags = int(self._traceparent[53:55], 16) & (SAMPLED | RANDOM)
        headers = {"traceparent": f"00-{self.trace_id}-{parent_id or os.urandom(8).hex()}-{flags:02x}"}
        if self._tracestate and (tracestate := read_tracestate(self._tracestate)):
            headers["tracestate"] = tracestate
        return headers


def start() -> TraceContext:
    """A new trace. Its id is random in every bit, and the flags say so; whether to sample is a tracer's decision."""
    return TraceContext(f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-{RANDOM:02x}")


def read(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """The trace that the two headers name; None if `traceparent` is not valid.

    A header that came more than once arrives as one, joined by commas: two of `traceparent` are no valid one,
    several of `tracestate` are one list.
    """
    if len(traceparent) > MAX_TRACEPARENT_LENGTH:
        return None
    traceparent = traceparent.strip(" \t")
    return TraceContext(traceparent, tracestate) if _traceparent(traceparent) else None


def read_tracestate(tracestate: str) -> str:
    """The valid `tracestate` to pass on, "" if there is none: one bad member spoils the list.

    Of members with the same key the first stays: whoever changes a member puts it in front (3.5).
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
    """Without what is too much: the longest kind of member goes first, then the last (3.3.1.5)."""

    def is_too_long() -> bool:
        return sum(map(len, members)) + len(members) - 1 > MAX_TRACESTATE_LENGTH

    if is_too_long():
        members = [member for member in members if len(member) <= LONG_MEMBER]
    while is_too_long():
        members = members[:-1]
    return members
