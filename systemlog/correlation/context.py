"""The correlation of the code that runs now: one context variable, set for a request, a task or a command run.

Nothing here knows where an id came from; the middleware, the task integrations and `correlated()` set it.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from sys import modules
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from systemlog.correlation import tracecontext
from systemlog.correlation.ids import is_acceptable, new_id
from systemlog.correlation.integrations import opentelemetry
from systemlog.correlation.routes import readable_route
from systemlog.correlation.tracecontext import TraceContext
from systemlog.correlation.user_id import user_id_of

if TYPE_CHECKING:
    from django.http import HttpRequest

P = ParamSpec("P")
R = TypeVar("R")

_starting = threading.Lock()


class Correlation:
    """What is known of the request (or task, or command run) that the running code works for.

    `correlation_id` is there from the start. `trace_id` and `user_id` are looked up when they are asked for, so
    that a request which logs nothing pays nothing for them.
    """

    __slots__ = (
        "_request",
        "_route",
        "_trace",
        "_user_id",
        "annotations",
        "correlation_id",
        "from_client",
        "started_ns",
    )

    def __init__(
        self,
        correlation_id: str,
        request: HttpRequest | None = None,
        from_client: bool = False,
        trace: TraceContext | None = None,
    ) -> None:
        self.correlation_id = correlation_id
        self.from_client = from_client
        self.annotations: dict[str, object] = {}
        self.started_ns = time.perf_counter_ns()
        self._request = request
        self._route: str | None = None
        self._trace = trace
        self._user_id: str | None = None

    def __repr__(self) -> str:
        return f"<Correlation {self.correlation_id}>"

    @property
    def trace_id(self) -> str | None:
        """The id of the trace: OpenTelemetry's current one, else the caller's, else that of our outgoing calls."""
        return opentelemetry.current_trace_id() or (None if self._trace is None else self._trace.trace_id)

    @property
    def user_id(self) -> str | None:
        """The key of the authenticated user, found without a query."""
        return self._user_id if self._request is None else user_id_of(self._request)

    @property
    def route(self) -> str | None:
        """The pattern of the URL that the request came to; None before it is resolved, or without a request."""
        if self._request is None:
            return self._route
        match = self._request.resolver_match
        return None if match is None else readable_route(match.route)

    def trace_headers(self) -> dict[str, str]:
        """`traceparent` and perhaps `tracestate` of one outgoing call; starts a trace if there is none."""
        if span := opentelemetry.current_headers():
            return span
        if self._trace is None:
            with _starting:
                self._trace = self._trace or tracecontext.start()
        return self._trace.headers()

    def pin_trace(self) -> None:
        """Keep OpenTelemetry's current trace for what comes after its span, such as the body of a stream."""
        self._trace = opentelemetry.current_trace() or self._trace

    def detach(self) -> None:
        """Keep what the request told, and let go of it: a task that outlives a request must not hold its body."""
        request = self._request
        if request is not None:
            match = request.resolver_match
            if match is not None:
                self._route = readable_route(match.route)
            self._user_id = user_id_of(request)
            self._request = None


_current: ContextVar[Correlation | None] = ContextVar("systemlog_correlation", default=None)


def current() -> Correlation | None:
    """The correlation of the running code; None outside a request, task or command."""
    return _current.get()


def get_correlation_id() -> str | None:
    """The correlation id of the running code; None outside a request, task or command."""
    correlation = _current.get()
    return None if correlation is None else correlation.correlation_id


def current_ids() -> tuple[str | None, str | None, str | None]:
    """The correlation id, trace id and user id of the running code, each None where it is not known.

    For whoever marks records with them: one call, no query. Code of no request, task or command may still work
    inside a span of OpenTelemetry.
    """
    correlation = _current.get()
    traced = opentelemetry.current_trace_id() if opentelemetry.API in modules else None
    if correlation is None:
        return None, traced, None
    # Its properties spelled out: there is one such call for each log record.
    trace, request = correlation._trace, correlation._request
    return (
        correlation.correlation_id,
        traced or (None if trace is None else trace.trace_id),
        correlation._user_id if request is None else user_id_of(request),
    )


@contextmanager
def correlated(correlation_id: str = "", traceparent: str = "", tracestate: str = "") -> Iterator[Correlation]:
    """Give the code inside a correlation: one that arrived with a message, or a new one.

    An id or a trace that is not acceptable is replaced, as a request's is.
    """
    given = correlation_id if is_acceptable(correlation_id) else new_id()
    correlation = Correlation(given, trace=tracecontext.read(traceparent, tracestate))
    token = _current.set(correlation)
    try:
        yield correlation
    finally:
        _current.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, to be called in another thread, working for the correlation that is current now.

    For thread pools, whose threads start without a context: `pool.submit(carry(work), item)`. Unlike a copied
    context, one carried function may run in many threads at once (`pool.map`).
    """
    return carried(_current.get(), function)


def carried(correlation: Correlation | None, function: Callable[P, R]) -> Callable[P, R]:
    """`function`, working for `correlation` whenever it is called."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        token = _current.set(correlation)
        try:
            return function(*args, **kwargs)
        finally:
            _current.reset(token)

    return run
