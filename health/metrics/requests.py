"""Counting and timing of requests. HealthMiddleware calls `begin()` and `finish()`, which take some microseconds.

Clients cannot create an unlimited number of series: the route is the URL pattern and never the path, and a method that
HTTP does not define is `OTHER`.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from bisect import bisect_left
from typing import Any

from django.core.signals import got_request_exception
from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from health.compat import value_of, values_of_histogram, without_groups
from health.metrics.instruments import (
    BUCKETS_S,
    CONNECTIONS,
    DURATION,
    EXCEPTIONS,
    IN_PROGRESS,
    PROBLEMS,
    REQUESTS,
)
from health.metrics.multiprocess import Place, lock, place_of, when_moved
from health.metrics.rate import recent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
UNMATCHED = "unmatched"
OTHER = "OTHER"

MAX_NAMES = 100
"""Number of different exceptions, and of problem types, that are counted by name; further ones are `OTHER`."""

MAX_PROBLEM_BYTES = 64 * 2**10

BOUNDS_S = (*BUCKETS_S, math.inf)

_names: dict[str, set[str]] = {"exception": set(), "type": set()}


class Series:
    """The places of the numbers that a request of one method, route and status class changes.

    prometheus_client's methods take the lock and check the labels for each number, which was half of the cost of
    measuring a request. So the places are looked up once, and a request changes all numbers under one lock.
    """

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self, method: str, route: str, status: str) -> None:
        duration = DURATION.labels(method, route)
        self.count = place_of(value_of(REQUESTS.labels(method, route, status)))
        seconds, buckets = values_of_histogram(duration)
        self.seconds = place_of(seconds)
        self.buckets = [place_of(bucket) for bucket in buckets]


def begin() -> float:
    """Count a request as in progress, and return its start on the monotonic clock, for `finish`."""
    with lock:
        cells, index = _in_progress or _find_in_progress()
        cells[index] += 1.0
    return time.monotonic()


def finish(request: HttpRequest, response: HttpResponseBase | None, route: str | None, began: float) -> None:
    """Count a request that has been answered. `response` is None if an exception left the middleware."""
    now = time.monotonic()
    seconds = now - began
    status = 500 if response is None else response.status_code
    if route is None:
        match = request.resolver_match
        route = UNMATCHED if match is None else match.route
    key = (request.method, route, status)
    with lock:
        series = _series.get(key) or _make_series(*key)
        cells, index = _in_progress or _find_in_progress()
        cells[index] -= 1.0
        cells, index = series.count
        cells[index] += 1.0
        cells, index = series.seconds
        cells[index] += seconds
        cells, index = series.buckets[bisect_left(BOUNDS_S, seconds)]
        cells[index] += 1.0
        recent.count(now)
    if status >= 400 and response is not None and response.headers.get("Content-Type") == "application/problem+json":
        PROBLEMS.labels(_bounded("type", _problem_type(response))).inc()


def _make_series(method: str | None, route: str, status: int) -> Series:
    known = method if method in METHODS else OTHER
    status_class = f"{status // 100}xx" if 100 <= status < 600 else OTHER
    series = Series(known or OTHER, readable_route(route), status_class)
    if known == method:  # not for invented methods, which would fill the memory
        _series[method, route, status] = series
    return series


def readable_route(pattern: str) -> str:
    r"""Rewrite the regular expression of a `re_path` as a pattern of `path`.

    `orders/(?P<pk>[^/.]+)/?\Z` becomes `orders/<pk>/`. A pattern of `path` stays as it is.
    """
    return re.sub(r"\\([^A-Za-z0-9])", r"\1", without_groups(pattern))


def _problem_type(response: HttpResponseBase) -> str:
    """Return the last part of the problem's `type`. Parses the body only if the response has no `data` (DRF's have)."""
    data = getattr(response, "data", None)
    if not isinstance(data, dict):
        content = getattr(response, "content", b"")
        if not 0 < len(content) <= MAX_PROBLEM_BYTES:
            return OTHER
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            return OTHER
    problem_type = data.get("type") if isinstance(data, dict) else None
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


def _find_in_progress() -> Place:
    global _in_progress  # noqa: PLW0603  (of the process)
    _in_progress = place_of(value_of(IN_PROGRESS))
    return _in_progress


def _look_up_again() -> None:
    global _in_progress  # noqa: PLW0603  (of the process)
    _series.clear()
    _in_progress = None  # looked up by the first request, because not every forked process serves requests


_series: dict[tuple[str | None, str, int], Series] = {}
_in_progress: Place | None = None

when_moved(_look_up_again)
got_request_exception.connect(_count_exception, dispatch_uid="health.metrics")
connection_created.connect(_count_connection, dispatch_uid="health.metrics")
