"""Answers errors outside REST framework's views: exceptions, and error responses that have no body of their own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseServerError, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, loader
from django.utils.functional import Promise
from django.views import defaults
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError

from systemlog import compat
from systemlog.conf import conf
from systemlog.problems.error_log import report
from systemlog.problems.formatting.exception_map import to_api_exception
from systemlog.problems.handling.dispatch import exception_handler, write_problem
from systemlog.problems.negotiation import gets_html, prefers_html
from systemlog.problems.pointers import flatten
from systemlog.problems.problem import MEDIA_TYPE, Problem
from systemlog.problems.response import ProblemResponse, correlation_id_of, phrase, set_body, set_language
from systemlog.problems.types import OF_STATUS

VALIDATION_STATUSES = (400, 422)
REPEATING_CODES = ("method_not_allowed", "unsupported_media_type", "parse_error")
"""Error codes of REST framework whose messages repeat a part of the request or the text of another exception."""

UNREADABLE_POST = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def answer(request: HttpRequest, exc: BaseException, *, signalled: bool = False) -> HttpResponseBase:
    """Log `exc` and return the response to it: a problem, or an HTML page where `gets_html` says so.

    `signalled` says that `got_request_exception` was sent for it. Raises `exc` only if it is unexpected and
    DEBUG_PROPAGATE_EXCEPTIONS is on.
    """
    if isinstance(exc, UNREADABLE_POST):
        compat.mark_post_unreadable(request)
    try:
        return _answer(request, exc, signalled)
    except Exception as failure:  # an error page failed, or JSON cannot represent a member of the problem
        if failure is exc:
            raise  # DEBUG_PROPAGATE_EXCEPTIONS
        return _answer_failure(request, failure)


def fill_empty_response(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Log an error response that a view or middleware returned, and give it a problem as its body if it has none."""
    if isinstance(response, ProblemResponse):
        try:
            response.rewrite()
        except Exception as failure:  # noqa: BLE001  (JSON cannot represent something that another handler added)
            return _answer_failure(request, failure)
        # CommonMiddleware sets this header, but an error above it has not passed it.
        response.headers.setdefault("Content-Length", str(len(response.content)))
        report(request, response)
        return response
    try:
        if isinstance(response, HttpResponse | StreamingHttpResponse) and (exc := _missing_error(request, response)):
            written = write_problem(exc, _context(request))
            set_body(response, written.problem, head=request.method == "HEAD")
            set_language(response, written.language)
    except Exception as failure:  # noqa: BLE001  (the view's own response would be lost)
        return _answer_failure(request, failure)
    report(request, response)
    return response


def slash_is_missing(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether `response` redirects to the same path with a slash, which would lose the request's body."""
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
    """Return Django's error page, from the project's template if there is one. Raises the template's exceptions."""
    problem = to_api_exception(exc)
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
    """Return the page of the project's template for the status (`503.html`), else a page like Django's own."""
    try:
        return HttpResponse(loader.render_to_string(f"{status}.html", {}, request))
    except TemplateDoesNotExist:
        details = f"<p>Request {correlation_id_of(request)}</p>"
        return HttpResponse(compat.error_page(f"{phrase(status)} ({status})", details))


def _technical_page(request: HttpRequest, exc: BaseException) -> HttpResponse:
    """Return the page with the traceback or the URL patterns that Django shows under DEBUG."""
    return compat.debug_page(request, exc)


def _bare_page() -> HttpResponse:
    """Return Django's page for a 500, for the case that the project's own page fails."""
    return HttpResponseServerError(compat.error_page("Server Error (500)", ""))


def _missing_error(request: HttpRequest, response: HttpResponse | StreamingHttpResponse) -> APIException | None:
    """Return the error that the body should describe; None if the view has written a body of its own."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == MEDIA_TYPE or gets_html(request):
        return None
    exc: APIException
    data = getattr(response, "data", None)
    if (detail := _detail_alone(data)) is not None:
        exc = APIException() if getattr(detail, "code", None) in REPEATING_CODES else APIException(detail)
    elif isinstance(data, dict | list) and response.status_code in VALIDATION_STATUSES and _is_made_of_errors(data):
        exc = ValidationError(data)
    elif _has_body(response) and (not _is_html(response, media_type) or prefers_html(request)):
        return None
    else:
        exc = OF_STATUS.get(response.status_code, APIException)()
    exc.status_code = response.status_code
    return exc


def _is_html(response: HttpResponse | StreamingHttpResponse, media_type: str) -> bool:
    """Return whether the body is HTML. Django labels plain text as HTML too: `HttpResponseNotFound("no check")`."""
    return media_type == "text/html" and (isinstance(response, StreamingHttpResponse) or b"<" in response.content)


def _has_body(response: HttpResponse | StreamingHttpResponse) -> bool:
    """Return whether the response has a body. WhiteNoise refuses a request with an empty stream that has no type."""
    return "Content-Type" in response.headers if isinstance(response, StreamingHttpResponse) else bool(response.content)


def _detail_alone(data: Any) -> str | None:
    """Return the text of `{"detail": text}`, the body of REST framework's exception handler; None for another body."""
    detail = data["detail"] if isinstance(data, dict) and data.keys() == {"detail"} else None
    return str(detail) if isinstance(detail, Promise) else detail if isinstance(detail, str) else None


def _is_made_of_errors(data: Any) -> bool:
    """Return whether the data is a non-empty `serializer.errors`. A view that returns it means a failed validation."""
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
