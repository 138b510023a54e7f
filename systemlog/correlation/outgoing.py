"""What takes the correlation along: headers for calls to other services, a dictionary for messages.

Only to hosts that are named: an id or a trace is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from django.http.request import validate_host

from systemlog.correlation.context import Correlation, correlated, current

HEADER = "X-Request-ID"

_MESSAGE_KEYS = ("correlation_id", "traceparent", "tracestate")


def outgoing_headers() -> dict[str, str]:
    """The headers for one call to another service: the correlation id and the trace context; empty outside of any.

    Ask anew for each call: each has a parent id of its own.
    """
    correlation = current()
    return {} if correlation is None else {HEADER: correlation.correlation_id} | correlation.trace_headers()


def missing_headers(hosts: Sequence[str], host: str, given: Container[str]) -> Iterator[tuple[str, str]]:
    """Those of `outgoing_headers()` to add to a call to `host` that has the headers `given`: the caller's stay.

    `hosts` reads as ALLOWED_HOSTS does: `api.example.com`, `.example.com` for it and all below it, `*`.
    A caller's own `traceparent` keeps our `tracestate` away too: the two belong together.
    """
    if not validate_host(host.lower(), hosts):
        return
    has_trace = "traceparent" in given or "tracestate" in given
    for name, value in outgoing_headers().items():
        if name not in given and not (has_trace and name != HEADER):
            yield name, value


def outgoing_message() -> dict[str, str]:
    """What a message (a task, an event) takes along, for `correlated_by()` at the other end; empty outside of any."""
    correlation = current()
    return {} if correlation is None else {"correlation_id": correlation.correlation_id} | correlation.trace_headers()


def correlated_by(message: object) -> AbstractContextManager[Correlation]:
    """Work for the correlation that `message` brought; for a new one if it brought none, or something else."""
    brought = message if isinstance(message, Mapping) else {}
    return correlated(*(value if isinstance(value := brought.get(key), str) else "" for key in _MESSAGE_KEYS))
