"""The correlation for other processes: headers for calls to other services, and a dictionary for messages.

Headers are added only to calls to configured hosts, so that ids and traces do not leak to others.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from systemlog import compat
from systemlog.correlation.context import Correlation, correlated, current

HEADER = "X-Request-ID"

_MESSAGE_KEYS = ("correlation_id", "traceparent", "tracestate")


def outgoing_headers() -> dict[str, str]:
    """Return the headers for one call to another service: the correlation id and the trace context.

    Empty outside a request, task or command. Call it once for each outgoing call, because each has its own parent id.
    """
    correlation = current()
    return {} if correlation is None else {HEADER: correlation.correlation_id} | correlation.trace_headers()


def missing_headers(hosts: Sequence[str], host: str, given: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield those of `outgoing_headers()` that a call to `host` lacks. `given` are the headers that it has.

    `hosts` has the syntax of ALLOWED_HOSTS: `api.example.com`, `.example.com` for that host and all below it, or `*`.
    If the call has a `traceparent` of its own, no `tracestate` is added, because the two belong together.
    """
    if not compat.is_host_in(host, hosts):
        return
    has_trace = "traceparent" in given or "tracestate" in given
    for name, value in outgoing_headers().items():
        if name not in given and not (has_trace and name != HEADER):
            yield name, value


def outgoing_message() -> dict[str, str]:
    """Return a dictionary for a message, such as a task or an event, that its consumer passes to `correlated_by()`.

    Empty outside a request, task or command.
    """
    correlation = current()
    return {} if correlation is None else {"correlation_id": correlation.correlation_id} | correlation.trace_headers()


def correlated_by(message: object) -> AbstractContextManager[Correlation]:
    """Return a context manager that sets the correlation from a message of `outgoing_message()`.

    Sets a new correlation if `message` is something else.
    """
    fields = message if isinstance(message, Mapping) else {}
    return correlated(*(value if isinstance(value := fields.get(key), str) else "" for key in _MESSAGE_KEYS))
