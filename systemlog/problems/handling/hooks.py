"""The one road: how every error of the process gets to `answers`, and why it takes four doors.

Django has no hook that sees all errors. A try/except in a middleware sees nothing of the middlewares below it, for
Django turns their exceptions into responses between any two of them. `process_exception` sees views alone. The
`handler404` family is skipped under DEBUG, and comes too late where Django takes an exception for a failure: a problem
raised in a middleware would be signalled and logged as a crash. So:

1. DRF's `EXCEPTION_HANDLER` for what its views raise, while the transaction of the request is still open.
2. `response_for_exception`, the one function through which Django passes every other exception, from views of both
   kinds and from each middleware, with DEBUG or without. For requests inside ProblemMiddleware, ours takes its place.
   The tests of every source hold that Django calls it.
3. ProblemMiddleware, for errors that are responses already, and for what passes Django by: SystemExit.
4. `handler400` to `handler500` and `csrf_failure` (in `views`), for middlewares above ours and Django's own refusal.

Before all of them Django makes the request, where nothing can answer: a `charset` in its Content-Type makes it read the
query string there, and too many parameters, or a codec that is none for text, would end in the server's own page. That
function, the second one of Django that this package replaces, puts the reading off until somebody asks.

A stream that breaks after its headers is past all of these: see `streams`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.handlers import exception as django_road
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.problems import error_log
from systemlog.problems.error_log import ON_OUR_ROAD
from systemlog.problems.handling import streams
from systemlog.problems.handling.fallback import answer

_django_set_content_type_params = HttpRequest._set_content_type_params  # type: ignore[attr-defined]  # private
_django_answer = django_road.response_for_exception


def response_for_exception(request: HttpRequest, exc: Exception) -> HttpResponseBase:
    """In place of Django's function of this name."""
    if getattr(request, ON_OUR_ROAD, False):
        return answer(request, exc)
    return _django_answer(request, exc)


def set_content_type_params(request: Any, meta: Mapping[str, Any]) -> None:
    """In place of `HttpRequest._set_content_type_params`."""
    try:
        _django_set_content_type_params(request, meta)
    except LookupError:
        # A codec that is none for text. The body fails with it where it is read; the query string is read without.
        named, request._encoding = request._encoding, None
        with suppress(SuspiciousOperation):
            _ = request.GET
        request._encoding = named
    except SuspiciousOperation:
        pass  # who asks for the parameters gets it again, and an answer


def open_road() -> None:
    """Take the place of Django's functions; twice does no harm."""
    django_road.response_for_exception = response_for_exception  # type: ignore[assignment]  # any response will do
    HttpRequest._set_content_type_params = set_content_type_params  # type: ignore[attr-defined]  # private
    error_log.install_filter()
    streams.install_filter()
