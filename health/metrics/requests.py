"""Counts and times every request: on the way in and out of the middleware, a few microseconds each.

The labels are bounded whatever a client sends: the route is the URL pattern and never the path, a method that
HTTP does not know is `OTHER`.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from bisect import bisect_left
from typing import Any

from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups, replace_unnamed_groups
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
from health.metrics.multiprocess import Place, lock, place_of, when_moved
from health.metrics.rate import recent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
UNMATCHED = "unmatched"
OTHER = "OTHER"

MAX_NAMES = 100
"""Exceptions and problem types beyond so many different ones are counted as `OTHER`."""

MAX_PROBLEM_BYTES = 64 * 2**10

BOUNDS_S = (*BUCKETS_S, math.inf)

_names: dict[str, set[str]] = {"exception": set(), "type": set()}


class Series:
    """The places of what a request of this method, route and status class adds to, in this process.

    By prometheus_client's methods each number would take the lock for itself and check its labels anew, which was half
    of what measuring a request cost: so the values inside its objects are asked for their places once.
    """

    __slots__ = ("buckets", "count", "seconds")

    def __init__(self, method: str, route: str, status: str) -> None:
        duration = DURATION.labels(method, route)
        self.count = place_of(REQUESTS.labels(method, route, status)._value)
        self.seconds = place_of(duration._sum)
        self.buckets = [place_of(bucket) for bucket in duration._buckets]


def begin() -> float:
    """A request comes in; gives what `finish` wants to know."""
    with lock:
        cells, index = _in_progress or _find_in_progress()
        cells[index] += 1.0
    return time.monotonic()


def finish(request: HttpRequest, response: HttpResponseBase | None, route: str | None, began: float) -> None:
    """The response goes out; None where there is none."""
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
    if known == method:  # invented methods must not fill the memory
        _series[method, route, status] = series
    return series


def readable_route(pattern: str) -> str:
    r"""Rewrite the regular expression of a `re_path` the way a `path` is written.

    `orders/(?P<pk>[^/.]+)/?\Z` becomes `orders/<pk>/`; what `path` takes stays as it is.
    """
    simplified = replace_metacharacters(replace_unnamed_groups(replace_named_groups(pattern)))
    return re.sub(r"\\([^A-Za-z0-9])", r"\1", simplified)


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


def _find_in_progress() -> Place:
    global _in_progress  # noqa: PLW0603  (a place in the files of this process)
    _in_progress = place_of(IN_PROGRESS._value)
    return _in_progress


def _look_up_again() -> None:
    global _in_progress  # noqa: PLW0603  (of the process)
    _series.clear()
    _in_progress = None  # found by the first request: not every process that is forked serves


_series: dict[tuple[str | None, str, int], Series] = {}
_in_progress: Place | None = None

when_moved(_look_up_again)
got_request_exception.connect(_count_exception, dispatch_uid="health.metrics")
connection_created.connect(_count_connection, dispatch_uid="health.metrics")
