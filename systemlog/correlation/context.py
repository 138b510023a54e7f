"""The context variable that holds the correlation of the running request, task or command.

The middleware, the task integrations and `correlated()` set it.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from sys import modules
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from systemlog import compat
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
    """The ids, user, route and annotations of one request, task or command run.

    `trace_id` and `user_id` are looked up when they are read, so that a request without log records does not pay for
    them.
    """

    __slots__ = (
        "_has_loaded_user",
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
        self._has_loaded_user = request is None
        self._request = request
        self._route: str | None = None
        self._trace = trace
        self._user_id: str | None = None

    def __repr__(self) -> str:
        return f"<Correlation {self.correlation_id}>"

    @property
    def trace_id(self) -> str | None:
        """The trace id of OpenTelemetry's current span, else of the incoming request, else of our outgoing calls."""
        return opentelemetry.current_trace_id() or (None if self._trace is None else self._trace.trace_id)

    @property
    def user_id(self) -> str | None:
        """The primary key of the authenticated user as text. Reading it never queries the database."""
        return self._user_id if self._request is None else user_id_of(self._request)

    @property
    def may_load_user(self) -> bool:
        """Whether this is a request whose user is not loaded, and nothing has called `load_user` yet."""
        return not self._has_loaded_user and self._request is not None and compat.loaded_user(self._request) is None

    def load_user(self) -> None:
        """Load the user of the request, which may query the database. Only the first call has an effect."""
        request, has_loaded = self._request, self._has_loaded_user
        self._has_loaded_user = True  # first, because loading the user of a stale session writes the session
        if request is not None and not has_loaded:
            compat.load_user(request)

    @property
    def route(self) -> str | None:
        """The URL pattern of the request's view; None before the URL is resolved, or without a request."""
        if self._request is None:
            return self._route
        match = self._request.resolver_match
        return None if match is None else readable_route(match.route)

    def trace_headers(self) -> dict[str, str]:
        """Return `traceparent` and, if there is one, `tracestate` for one outgoing call. Starts a trace if needed."""
        if span := opentelemetry.current_headers():
            return span
        if self._trace is None:
            with _starting:
                self._trace = self._trace or tracecontext.start()
        return self._trace.headers()

    def pin_trace(self) -> None:
        """Keep the trace of OpenTelemetry's current span for code that runs after it, such as a streaming body."""
        self._trace = opentelemetry.current_trace() or self._trace

    def detach(self) -> None:
        """Copy the user and the route from the request, and drop it, so that a task does not keep it in memory."""
        request = self._request
        if request is not None:
            match = request.resolver_match
            if match is not None:
                self._route = readable_route(match.route)
            self._user_id = user_id_of(request)
            self._request = None


_current: ContextVar[Correlation | None] = ContextVar("systemlog_correlation", default=None)


carried_variables: list[ContextVar[Any]] = [_current]
"""The context variables that `carry` passes on. Other rooms add theirs."""


def current() -> Correlation | None:
    """Return the correlation of the running code; None outside a request, task or command."""
    return _current.get()


def get_correlation_id() -> str | None:
    """Return the correlation id of the running code; None outside a request, task or command."""
    correlation = _current.get()
    return None if correlation is None else correlation.correlation_id


def current_ids() -> tuple[str | None, str | None, str | None]:
    """Return the correlation id, trace id and user id of the running code, each None if it is not known.

    Does not query the database. Outside a request, task or command there may still be a span of OpenTelemetry, and so a
    trace id.
    """
    correlation = _current.get()
    traced = opentelemetry.current_trace_id() if opentelemetry.API in modules else None
    if correlation is None:
        return None, traced, None
    # The code of its properties, repeated here: this function runs for each log record.
    trace, request = correlation._trace, correlation._request
    return (
        correlation.correlation_id,
        traced or (None if trace is None else trace.trace_id),
        correlation._user_id if request is None else user_id_of(request),
    )


@contextmanager
def correlated(correlation_id: str = "", traceparent: str = "", tracestate: str = "") -> Iterator[Correlation]:
    """Run a block of code with a correlation of its own: the given one, for example from a message, or a new one.

    An invalid id is replaced by a new one, and an invalid trace is dropped. Yields the `Correlation`.
    """
    given = correlation_id if is_acceptable(correlation_id) else new_id()
    correlation = Correlation(given, trace=tracecontext.read(traceparent, tracestate))
    token = _current.set(correlation)
    try:
        yield correlation
    finally:
        _current.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that calls `function` with the correlation that is current now.

    For thread pools, whose threads start without a context: `pool.submit(carry(work), item)`. Unlike a copied context,
    the returned function may run in several threads at once (`pool.map`).
    """
    variables = [(each, each.get()) for each in carried_variables]

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        tokens = [(each, each.set(value)) for each, value in variables]
        try:
            return function(*args, **kwargs)
        finally:
            for each, token in tokens:
                each.reset(token)

    return run


def carried(correlation: Correlation | None, function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that calls `function` with `correlation` as the current one."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        token = _current.set(correlation)
        try:
            return function(*args, **kwargs)
        finally:
            _current.reset(token)

    return run
