"""Converts errors to the format of another protocol, for clients that would not understand a problem body.

A package that implements such a protocol registers a finder. ProblemMiddleware, and code that refuses a request before
Django sees it, call `in_protocol_format`, so that an error has the protocol's format wherever it was raised.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.problems.response import BODY_HEADERS, phrase

ErrorFormat = Callable[[HttpRequest, int, str], HttpResponse]
"""Makes a response in the protocol's format from the request, the error's status and its text."""

Finder = Callable[[HttpRequest], ErrorFormat | None]
"""Returns the `ErrorFormat` of the protocol that a request belongs to; None if it belongs to none."""

IN_PROTOCOL_FORMAT = "_systemlog_in_protocol_format"
"""The attribute that marks a response in its protocol's format."""

_NOT_COPIED = frozenset(
    name.lower() for name in (*BODY_HEADERS, "Content-Type", "Content-Length", "Content-Language", "Vary")
)

_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """Add `finder` to those that `find_error_format` calls. Calling this twice has no effect."""
    if finder not in _finders:
        _finders.append(finder)


def find_error_format(request: HttpRequest) -> ErrorFormat | None:
    """Return the `ErrorFormat` for the errors of this request; None if they are problems or HTML pages."""
    for finder in _finders:
        if (error_format := finder(request)) is not None:
            return error_format
    return None


def in_protocol_format(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the error response in the format of its request's protocol, with the same headers and cookies.

    Returns the same object if it has that format already, or if the request belongs to no protocol.
    """
    if hasattr(response, IN_PROTOCOL_FORMAT) or (error_format := find_error_format(request)) is None:
        return response
    answer = error_format(request, response.status_code, _detail_of(response))
    setattr(answer, IN_PROTOCOL_FORMAT, True)
    for name, value in response.items():
        if name.lower() not in _NOT_COPIED:
            answer.headers.setdefault(name, value)
    answer.cookies = response.cookies
    if compat.was_logged(response):
        compat.mark_logged(answer)
    return answer


def _detail_of(response: HttpResponseBase) -> str:
    """Return the `detail` of a problem response, else the reason phrase of its status."""
    data = getattr(response, "data", None)
    if not isinstance(data, dict) and response.headers.get("Content-Type", "").startswith("application/problem+json"):
        try:
            data = json.loads(getattr(response, "content", b""))
        except ValueError:
            data = None
    detail = data.get("detail") if isinstance(data, dict) else None
    return detail if isinstance(detail, str) and detail else phrase(response.status_code)
