"""Counts and times every request: on the way in and out of the middleware, a few microseconds each.

The labels are bounded whatever a client sends: the route is the URL pattern and never the path, a method that
HTTP does not know is `OTHER`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from django.core.signals import got_request_exception
from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from health.metrics.instruments import CONNECTIONS, DURATION, EXCEPTIONS, IN_PROGRESS, PROBLEMS, REQUESTS
from health.metrics.rate import recent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
STATUS_CLASSES = {status: f"{status // 100}xx" for status in range(100, 600)}
UNMATCHED = "unmatched"
OTHER = "OTHER"

MAX_NAMES = 100
"""Exceptions and problem types beyond so many different ones are counted as `OTHER`."""

MAX_PROBLEM_BYTES = 64 * 2**10

_children: dict[tuple[str, str, str], tuple[Any, Any]] = {}
_names: dict[str, set[str]] = {"exception": set(), "type": set()}


def begin() -> float:
    """A request comes in; gives what `finish` wants to know."""
    IN_PROGRESS.inc()
    return time.monotonic()


def finish(request: HttpRequest, response: HttpResponseBase | None, route: str | None, began: float) -> None:
    """The response goes out; None where there is none."""
    now = time.monotonic()
    IN_PROGRESS.dec()
    recent.count(now)
    status = 500 if response is None else response.status_code
    if route is None:
        match = request.resolver_match
        route = UNMATCHED if match is None else match.route
    key = (request.method or OTHER, route, STATUS_CLASSES.get(status, OTHER))
    children = _children.get(key) or _make_children(*key)
    children[0].inc()
    children[1].observe(now - began)
    if status >= 400 and response is not None and response.headers.get("Content-Type") == "application/problem+json":
        PROBLEMS.labels(_bounded("type", _problem_type(response))).inc()


def _make_children(method: str, route: str, status: str) -> tuple[Any, Any]:
    known = method if method in METHODS else OTHER
    children = REQUESTS.labels(known, route, status), DURATION.labels(known, route)
    if known == method:  # invented methods must not fill the memory
        _children[method, route, status] = children
    return children


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
