"""The answer to an error outside DRF's views: an exception, or a response that says nothing but its status."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseServerError, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, loader
from django.utils.functional import Promise
from django.views import debug, defaults
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError

from systemlog.conf import conf
from systemlog.problems.error_log import report
from systemlog.problems.formatting.exception_map import recognise
from systemlog.problems.handling.dispatch import exception_handler, write_problem
from systemlog.problems.negotiation import gets_html, prefers_html
from systemlog.problems.pointers import flatten
from systemlog.problems.problem import MEDIA_TYPE, Problem
from systemlog.problems.response import ProblemResponse, correlation_id_of, mark_language, phrase, put_into
from systemlog.problems.types import OF_STATUS

VALIDATION_STATUSES = (400, 422)
REPEATING_CODES = ("method_not_allowed", "unsupported_media_type", "parse_error")
"""Codes of DRF's details that repeat a part of the request, or the text of another exception."""

UNREADABLE_POST = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def answer(request: HttpRequest, exc: BaseException, *, signalled: bool = False) -> HttpResponseBase:
    """The response to `exc`: a problem, or Django's page for a browser on a path of pages. Logged when it returns."""
    if isinstance(exc, UNREADABLE_POST):
        # Or the next one who looks at request.POST would raise it again.
        request._mark_post_parse_error()  # type: ignore[attr-defined]  # Django's own, as its handler does
    try:
        return _answer(request, exc, signalled)
    except Exception as failure:  # a broken error page, or a member that JSON has no form for
        if failure is exc:
            raise  # DEBUG_PROPAGATE_EXCEPTIONS
        return _answer_failure(request, failure)


def fill_empty_response(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """An error response that a view or middleware returned, with a problem as its body if it had none of its own."""
    if isinstance(response, ProblemResponse):
        try:
            response.rewrite()
        except Exception as failure:  # noqa: BLE001  (what a handler added may have no form in JSON)
            return _answer_failure(request, failure)
        # CommonMiddleware has said the length, unless the error came before it.
        response.headers.setdefault("Content-Length", str(len(response.content)))
        report(request, response)
        return response
    try:
        if isinstance(response, HttpResponse | StreamingHttpResponse) and (exc := _missing_words(request, response)):
            written = write_problem(exc, _context(request))
            put_into(response, written.problem, head=request.method == "HEAD")
            mark_language(response, written.language)
    except Exception as failure:  # noqa: BLE001  (the answer to an error must not be another)
        return _answer_failure(request, failure)
    report(request, response)
    return response


def slash_is_missing(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether the response redirects a request with a body to the same path with a slash: the body would be lost."""
    return (
        response.status_code in (301, 302)
        and settings.APPEND_SLASH
        and request.method not in ("GET", "HEAD", "OPTIONS")
        and response.headers.get("Location", "").partition("?")[0].endswith(request.path + "/")
    )


def _answer(request: HttpRequest, exc: BaseException, signalled: bool) -> HttpResponseBase:
    if gets_html(request):
        try:
            response = _page(request, exc)
        except Exception as failure:  # noqa: BLE001  (whatever a template or a context processor raises)
            response, exc, signalled = _bare_page(), failure, False
        report(request, response, exc, signalled=signalled)
        return response
    problem = exception_handler(exc, {**_context(request), "signalled": signalled})
    if problem is None:
        raise exc
    return problem


def _page(request: HttpRequest, exc: BaseException) -> HttpResponse:
    """Django's own error page, of the project's template where it has one. Raises what the template raises."""
    problem = recognise(exc)
    status = problem.status_code
    page: HttpResponse
    if settings.DEBUG and not conf().PROBLEM_HTML_PATHS and (status == HTTPStatus.NOT_FOUND or status >= 500):
        page = _technical_page(request, exc)
    elif status == HTTPStatus.NOT_FOUND:
        page = defaults.page_not_found(request, exc if isinstance(exc, Http404) else Http404())
    elif status == HTTPStatus.FORBIDDEN:
        page = defaults.permission_denied(request, PermissionError())
    elif status < 500:
        page = defaults.bad_request(request, ValueError())
    elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
        page = defaults.server_error(request)
    else:
        page = _page_of_status(request, status)
    page.status_code = status
    for name, value in getattr(problem, "headers", {}).items():
        page.headers[name] = value
    return page


def _page_of_status(request: HttpRequest, status: int) -> HttpResponse:
    """The project's template of the status (`503.html`), or a page as Django's that says which it is."""
    try:
        return HttpResponse(loader.render_to_string(f"{status}.html", {}, request))
    except TemplateDoesNotExist:
        words = {"title": f"{phrase(status)} ({status})", "details": f"<p>Request {correlation_id_of(request)}</p>"}
        return HttpResponse(defaults.ERROR_PAGE_TEMPLATE % words)


def _technical_page(request: HttpRequest, exc: BaseException) -> HttpResponse:
    """What a developer gets from Django under DEBUG."""
    if isinstance(exc, Http404):
        return debug.technical_404_response(request, exc)
    return debug.technical_500_response(request, type(exc), exc, exc.__traceback__)


def _bare_page() -> HttpResponse:
    """Django's page for a 500 where the project's own page fails."""
    return HttpResponseServerError(defaults.ERROR_PAGE_TEMPLATE % {"title": "Server Error (500)", "details": ""})


def _missing_words(request: HttpRequest, response: HttpResponse | StreamingHttpResponse) -> APIException | None:
    """What should be said in place of the body; None if the body is the view's own word."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == MEDIA_TYPE or gets_html(request):
        return None
    exc: APIException
    data = getattr(response, "data", None)
    if (said := _detail_alone(data)) is not None:
        exc = APIException() if getattr(said, "code", None) in REPEATING_CODES else APIException(said)
    elif isinstance(data, dict | list) and response.status_code in VALIDATION_STATUSES and _is_made_of_errors(data):
        exc = ValidationError(data)
    elif _has_body(response) and (not _is_html(response, media_type) or prefers_html(request)):
        return None
    else:
        exc = OF_STATUS.get(response.status_code, APIException)()
    exc.status_code = response.status_code
    return exc


def _is_html(response: HttpResponse | StreamingHttpResponse, media_type: str) -> bool:
    """Whether the body is HTML. Django calls a view's own words so as well: `HttpResponseNotFound("no such check")`."""
    return media_type == "text/html" and (isinstance(response, StreamingHttpResponse) or b"<" in response.content)


def _has_body(response: HttpResponse | StreamingHttpResponse) -> bool:
    """Whether the response has something to send. A stream without a type has not: so WhiteNoise refuses a request."""
    return "Content-Type" in response.headers if isinstance(response, StreamingHttpResponse) else bool(response.content)


def _detail_alone(data: Any) -> str | None:
    """What is said in DRF's own form of an error, by its exception handler or by a view that writes it itself."""
    said = data["detail"] if isinstance(data, dict) and data.keys() == {"detail"} else None
    return str(said) if isinstance(said, Promise) else said if isinstance(said, str) else None


def _is_made_of_errors(data: Any) -> bool:
    """Whether this is `serializer.errors`, which a view that returns them means to raise. What is right is empty."""
    first = next(flatten(data), None)
    return first is not None and all(isinstance(place.detail, ErrorDetail) for place in flatten(data))


def _context(request: HttpRequest) -> dict[str, Any]:
    return {"request": request, "view": None, "args": (), "kwargs": {}}


def _answer_failure(request: HttpRequest, failure: Exception) -> HttpResponseBase:
    """Answer an exception that was raised while an error was being answered."""
    cause = failure
    try:
        if (response := exception_handler(failure, _context(request))) is not None:
            return response
    except Exception as second:  # noqa: BLE001  (logged below, with `failure` as its context)
        cause = second
    # This problem is made of constants, so that nothing in it can fail.
    problem = Problem(title=phrase(500), status=500, detail=phrase(500), correlation_id=correlation_id_of(request))
    response = ProblemResponse(problem, head=request.method == "HEAD")
    report(request, response, cause)
    return response
