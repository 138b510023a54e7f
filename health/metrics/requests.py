"""Counts and times every request: on the way in and out of the middleware, a few microseconds each.

The labels are bounded whatever a client sends: the route is the URL pattern and never the path, a method that
HTTP does not know is `OTHER`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from bisect import bisect_left
from typing import Any

from django.core.signals import got_request_exception
from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from health.metrics.instruments import (
    BUCKETS_S,
    CONNECTIONS,
    DURATION,
    EXCEPTIONS,
    IN_PROGRESS,
    PROBLEMS,
    REQUESTS,
)
from health.metrics.rate import recent
from health.metrics.shared import SharedValue, lock

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
STATUS_CLASSES = {status: f"{status // 100}xx" for status in range(100, 600)}
UNMATCHED = "unmatched"
OTHER = "OTHER"

MAX_NAMES = 100
"""Exceptions and problem types beyond so many different ones are counted as `OTHER`."""

MAX_PROBLEM_BYTES = 64 * 2**10

BOUNDS_S = (*BUCKETS_S, math.inf)

_in_progress: SharedValue = IN_PROGRESS._value  # type: ignore[assignment]  # the value class is ours
_series: dict[tuple[str, str, str], Series] = {}
_names: dict[str, set[str]] = {"exception": set(), "type": set()}


class Series:
    """What a request of this method, route and status class adds to.

    These are the values inside prometheus_client's objects: by their methods each takes the lock for itself and checks
    its labels anew, which was half of what measuring a request cost.
    """

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self, method: str, route: str, status: str) -> None:
        duration = DURATION.labels(method, route)
        self.count: SharedValue = REQUESTS.labels(method, route, status)._value  # type: ignore[assignment]
        self.seconds: SharedValue = duration._sum  # type: ignore[assignment]
        self.buckets: list[SharedValue] = duration._buckets  # type: ignore[assignment]


def begin() -> float:
    """A request comes in; gives what `finish` wants to know."""
    with lock:
        _in_progress.add(1.0)
    return time.monotonic()


def finish(request: HttpRequest, response: HttpResponseBase | None, route: str | None, began: float) -> None:
    """The response goes out; None where there is none."""
    now = time.monotonic()
    status = 500 if response is None else response.status_code
    if route is None:
        match = request.resolver_match
        route = UNMATCHED if match is None else match.route
    key = (request.method or OTHER, route, STATUS_CLASSES.get(status, OTHER))
    series = _series.get(key) or _make_series(*key)
    seconds = now - began
    with lock:
        _in_progress.add(-1.0)
        series.count.add(1.0)
        series.seconds.add(seconds)
        series.buckets[bisect_left(BOUNDS_S, seconds)].add(1.0)
        recent.count(now)
    if status >= 400 and response is not None and response.headers.get("Content-Type") == "application/problem+json":
        PROBLEMS.labels(_bounded("type", _problem_type(response))).inc()


def _make_series(method: str, route: str, status: str) -> Series:
    known = method if method in METHODS else OTHER
    series = Series(known, route, status)
    if known == method:  # invented methods must not fill the memory
        _series[method, route, status] = series
    return series


def _problem_type(response: HttpResponseBase) -> str:
    content = getattr(response, "content", b"")
    if not 0 < len(content) <= MAX_PROBLEM_BYTES:
        return OTHER
    try:
        problem_type = json.loads(content)["type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return OTHER
    return problem_type.rstrip("/").rpartition("/")[2] if isinstance(problem_type, str) else OTHER


def _bounded(label: str, name: str) -> str:
    names = _names[label]
    if name in names:
        return name
    if len(names) >= MAX_NAMES:
        return OTHER
    names.add(name)
    return name


def _count_exception(**_: object) -> None:
    kind = sys.exc_info()[0]
    EXCEPTIONS.labels(_bounded("exception", OTHER if kind is None else kind.__name__)).inc()


def _count_connection(*, connection: Any, **_: object) -> None:
    CONNECTIONS.labels(connection.alias).inc()


got_request_exception.connect(_count_exception, dispatch_uid="health.metrics")
connection_created.connect(_count_connection, dispatch_uid="health.metrics")
