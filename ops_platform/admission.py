"""Keeps a thread of each worker free for the probes, whatever hangs: a database, or clients that stop sending.

A WSGI callable around the application. Once gunicorn has said how many threads a worker has, at most two requests less
are inside at a time. Whoever comes when all places are taken waits, and waits no longer than `PATIENCE_S` after anybody
has last come in or gone out: so under load, where places become free all the time, nobody is refused, and when all
hang, the queue drains at once.

A request whose body is still to come holds its place for as long as its client takes to send. Such requests take three
quarters of the places at most, so that slow ones keep no others out.

Probes need no place: what they ask has a deadline, and asks nothing a second time while it hangs. A scrape is long, and
holds a thread for as long as nobody reads it: there is one at a time. Who must be looked up, by a session or a user's
token, asks the database without a deadline, and is a request as any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from django.http import HttpResponse

from health.access import needs_queries
from health.middleware import Endpoint, endpoints
from health.runner import collecting
from ops_platform.handlers import UTF8WSGIRequest
from systemlog.conf import conf as systemlog_conf
from systemlog.correlation import is_acceptable, new_id
from systemlog.correlation.trusted_proxies import is_trusted
from systemlog.problems import Problem
from systemlog.problems.forms import in_form
from systemlog.problems.response import ProblemResponse, instance_of, phrase

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

PATIENCE_S = 0.7
"""Who waits holds a thread, which liveness may wait for: the kubelet gives it a second."""

RESERVED_THREADS = 2
"""One for a scrape, one for the probes and for whoever waits or is refused."""


class Limiter:
    """A number of places, and who waits for one."""

    def __init__(self, places: int, patience_s: float) -> None:
        self._free = places
        self._patience_s = patience_s
        self._moves = 0
        self._is_stuck = False
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Take a place, now or when one becomes free; False when nobody has come or gone for too long."""
        with self._changed:
            while not self._free:
                if self._is_stuck:
                    return False
                self._wait()
            self._free -= 1
            self._move()
            return True

    def leave(self) -> None:
        """Give the place back."""
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
    """The application with a door. Open to all until `limit()` is called, as under a server that does not call it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._requests: Limiter | None = None
        self._uploads: Limiter | None = None
        self._scrapes: Limiter | None = None
        self._probes: Mapping[str, Endpoint] = {}

    def limit(self, threads: int, patience_s: float = PATIENCE_S) -> None:
        """This process answers with so many threads."""
        places = max(1, threads - RESERVED_THREADS)
        self._requests = Limiter(places, patience_s)
        self._uploads = Limiter(places - places // 4, patience_s)
        self._scrapes = Limiter(1, patience_s)
        self._probes = endpoints()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or refuse."""
        rooms = self._rooms(environ)
        if not rooms:
            return self._application(environ, start_response)
        leave = _enter_all(rooms)
        if leave is None:
            return _refuse(environ, start_response)
        try:
            response = self._application(environ, start_response)
        except BaseException:
            leave()
            raise
        return _accompany(response, leave, environ)

    def _rooms(self, environ: Environ) -> list[Limiter]:
        """What the request has to get into."""
        probe = self._probes.get(environ.get("PATH_INFO", ""))
        if probe is not None and not (probe.knows_readers and needs_queries(UTF8WSGIRequest(environ))):
            return [self._scrapes] if self._scrapes and probe.asks is collecting else []
        if self._requests is None or self._uploads is None:
            return []
        is_whole = getattr(environ.get("gunicorn.socket"), "is_whole", True)
        return [self._requests] if is_whole else [self._uploads, self._requests]


def _enter_all(rooms: list[Limiter]) -> Callable[[], None] | None:
    """Take a place in each; gives what gives them back, None where one has none."""
    taken: list[Limiter] = []

    def leave() -> None:
        for room in taken:
            room.leave()

    for room in rooms:
        if not room.enter():
            leave()
            return None
        taken.append(room)
    return leave


def _accompany(response: Any, leave: Callable[[], None], environ: Environ) -> Iterable[bytes]:
    """The response, which gives the place back when the server closes it."""
    occupied = _Occupied(response, leave)
    if isinstance(response, environ.get("wsgi.file_wrapper", ())):
        # The server knows it by its type, and sends the file by itself.
        response.close = occupied.close
        return cast("Iterable[bytes]", response)
    return occupied


class _Occupied:
    """A response, and the place that it holds."""

    def __init__(self, response: Iterable[bytes], leave: Callable[[], None]) -> None:
        self._response = response
        self._close = getattr(response, "close", None)
        self._leave: Callable[[], None] | None = leave

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        """End it; a second time does no harm."""
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
    response = cast(HttpResponse, in_form(request, ProblemResponse(problem, headers=headers)))
    if request.method == "HEAD":
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""
    response.headers.setdefault("Content-Length", str(len(response.content)))
    start_response(f"503 {response.reason_phrase}", list(response.items()))
    return [response.content]
