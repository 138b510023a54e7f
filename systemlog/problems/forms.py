"""Errors in the form of another protocol: where a client speaks one, a problem body would tell it nothing.

A room that answers such a protocol registers a finder. ProblemMiddleware and whoever refuses a request before Django
sees it ask here, so that an error has the protocol's form wherever it was raised.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from systemlog.problems.response import OF_THE_OLD_BODY, phrase

Form = Callable[[HttpRequest, int, str], HttpResponse]
"""Makes the answer to an error of this status, with this text, in the protocol's form."""

Finder = Callable[[HttpRequest], Form | None]

IN_FORM = "_systemlog_in_form"
"""The attribute of a response that has its protocol's form already."""

OF_THE_BODY = frozenset(
    name.lower() for name in (*OF_THE_OLD_BODY, "Content-Type", "Content-Length", "Content-Language", "Vary")
)

_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """Have `finder` asked which form the errors of a request have; twice does no harm."""
    if finder not in _finders:
        _finders.append(finder)


def find_form(request: HttpRequest) -> Form | None:
    """The form that the errors of this request have; None for a problem or a page."""
    for finder in _finders:
        if (form := finder(request)) is not None:
            return form
    return None


def in_form(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """An error response in the form of the protocol that its request speaks, with the headers that it had."""
    if hasattr(response, IN_FORM) or (form := find_form(request)) is None:
        return response
    answer = form(request, response.status_code, _said(response))
    setattr(answer, IN_FORM, True)
    for name, value in response.items():
        if name.lower() not in OF_THE_BODY:
            answer.headers.setdefault(name, value)
    answer.cookies = response.cookies
    if hasattr(response, "_has_been_logged"):
        answer._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark
    return answer


def _said(response: HttpResponseBase) -> str:
    """What the response says of the error: the detail of a problem, else what its status means."""
    data = getattr(response, "data", None)
    if not isinstance(data, dict) and response.headers.get("Content-Type", "").startswith("application/problem+json"):
        try:
            data = json.loads(getattr(response, "content", b""))
        except ValueError:
            data = None
    detail = data.get("detail") if isinstance(data, dict) else None
    return detail if isinstance(detail, str) and detail else phrase(response.status_code)
