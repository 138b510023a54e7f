"""Admission control: two threads of each worker stay free for probes, even while all other requests hang.

`Admission` is a WSGI callable around the application. It admits two requests fewer than the worker has threads. When
all places are taken, a request waits until a place is free, or until no request has entered or left for `PATIENCE_S`;
then it is refused with 503. Under load, places become free all the time and no request is refused. When all admitted
requests hang, the queue is refused at once.

A request whose body has not arrived yet holds its place for as long as the client sends. Such requests get three
quarters of the places at most, so that slow uploads do not keep other requests out.

Probes need no place, because their work has a deadline. A scrape has a long response, which holds a thread until the
client has read it, so only one scrape is admitted at a time. A probe or scrape with a session or a user's token needs a
database query without a deadline, and is admitted like any other request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from django.http import HttpResponse

from health.access import needs_queries
from health.middleware import Endpoint, endpoints
from health.runner import collecting
from ops_platform.compat import UTF8WSGIRequest
from systemlog.conf import conf as systemlog_conf
from systemlog.correlation import is_acceptable, new_id
from systemlog.correlation.trusted_proxies import is_trusted
from systemlog.problems import Problem
from systemlog.problems.protocol_formats import in_protocol_format
from systemlog.problems.response import ProblemResponse, instance_of, phrase

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

PATIENCE_S = 0.7
"""A waiting request occupies a thread that a liveness probe may need; the kubelet times out after 1 s."""

RESERVED_THREADS = 2
"""The number of threads kept free: one for a scrape, one for probes and for requests that wait or are refused."""


class Limiter:
    """Limits how many requests run at once. Further requests wait for a place."""

    def __init__(self, places: int, patience_s: float) -> None:
        self._free = places
        self._patience_s = patience_s
        self._moves = 0
        self._is_stuck = False
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Take a place, waiting if all are taken. Return False if no request has entered or left for `patience_s`."""
        with self._changed:
            while not self._free:
                if self._is_stuck:
                    return False
                self._wait()
            self._free -= 1
            self._move()
            return True

    def leave(self) -> None:
        """Free a place."""
        with self._changed:
            self._free += 1
            self._move()

    def _wait(self) -> None:
        seen = self._moves
        if not self._changed.wait_for(lambda: self._is_stuck or self._moves != seen, self._patience_s):
            self._is_stuck = True
            self._changed.notify_all()

    def _move(self) -> None:
        self._moves += 1
        self._is_stuck = False
        self._changed.notify_all()


class Admission:
    """Wraps the application. All requests are admitted until `limit()` is called."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._requests: Limiter | None = None
        self._uploads: Limiter | None = None
        self._scrapes: Limiter | None = None
        self._probes: Mapping[str, Endpoint] = {}

    def limit(self, threads: int, patience_s: float = PATIENCE_S) -> None:
        """Set the number of threads of this process."""
        places = max(1, threads - RESERVED_THREADS)
        self._requests = Limiter(places, patience_s)
        self._uploads = Limiter(places - places // 4, patience_s)
        self._scrapes = Limiter(1, patience_s)
        self._probes = endpoints()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request to the application, or refuse it with 503."""
        limiters = self._limiters_of(environ)
        if not limiters:
            return self._application(environ, start_response)
        leave = _enter_all(limiters)
        if leave is None:
            return _refuse(environ, start_response)
        try:
            response = self._application(environ, start_response)
        except BaseException:
            leave()
            raise
        return _accompany(response, leave, environ)

    def _limiters_of(self, environ: Environ) -> list[Limiter]:
        """Return the limiters that the request must enter."""
        probe = self._probes.get(environ.get("PATH_INFO", ""))
        if probe is not None and not (probe.knows_readers and needs_queries(UTF8WSGIRequest(environ))):
            return [self._scrapes] if self._scrapes and probe.asks is collecting else []
        if self._requests is None or self._uploads is None:
            return []
        is_whole = getattr(environ.get("gunicorn.socket"), "is_whole", True)
        return [self._requests] if is_whole else [self._uploads, self._requests]


def _enter_all(limiters: list[Limiter]) -> Callable[[], None] | None:
    """Take a place in each limiter. Return a function that frees them, or None if one of them has no place."""
    taken: list[Limiter] = []

    def leave() -> None:
        for limiter in taken:
            limiter.leave()

    for limiter in limiters:
        if not limiter.enter():
            leave()
            return None
        taken.append(limiter)
    return leave


def _accompany(response: Any, leave: Callable[[], None], environ: Environ) -> Iterable[bytes]:
    """Return the response, which frees its places when the server closes it."""
    occupied = _Occupied(response, leave)
    if isinstance(response, environ.get("wsgi.file_wrapper", ())):
        # The server recognizes a file wrapper by its type, so it must not be wrapped.
        response.close = occupied.close
        return cast("Iterable[bytes]", response)
    return occupied


class _Occupied:
    """A response that holds places."""

    def __init__(self, response: Iterable[bytes], leave: Callable[[], None]) -> None:
        self._response = response
        self._close = getattr(response, "close", None)
        self._leave: Callable[[], None] | None = leave

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        """Close the response and free its places. Calling it again has no effect."""
        leave, self._leave = self._leave, None
        try:
            if self._close is not None:
                self._close()
        finally:
            if leave is not None:
                leave()


def _refuse(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    request = UTF8WSGIRequest(environ)
    given = environ.get("HTTP_X_REQUEST_ID", "")
    may_name = is_trusted(systemlog_conf().CORRELATION_TRUST, environ.get("REMOTE_ADDR", ""))
    correlation_id = given if may_name and is_acceptable(given) else new_id()
    problem = Problem(
        title=phrase(503),
        status=503,
        detail="The server is busy.",
        instance=instance_of(request),
        correlation_id=correlation_id,
    )
    headers = {"Retry-After": "1", "X-Request-ID": correlation_id, "Cache-Control": "no-store"}
    response = cast(HttpResponse, in_protocol_format(request, ProblemResponse(problem, headers=headers)))
    if request.method == "HEAD":
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""
    response.headers.setdefault("Content-Length", str(len(response.content)))
    start_response(f"503 {response.reason_phrase}", list(response.items()))
    return [response.content]
