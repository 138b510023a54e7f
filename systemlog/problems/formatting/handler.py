"""Makes the response to an exception: drf-standardized-errors' handler, with its steps filled in for RFC 9457."""

from __future__ import annotations

from django.conf import settings
from django.db import connections
from django.http.response import HttpResponseBase
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions as drf

from systemlog.compat import django_request
from systemlog.conf import conf
from systemlog.problems import types
from systemlog.problems.error_log import report
from systemlog.problems.formatting.exception_map import to_api_exception
from systemlog.problems.formatting.formatter import ProblemFormatter, TranslatedProblem
from systemlog.problems.response import ProblemResponse


class ProblemHandler(ExceptionHandler):
    """Answers every exception with a problem, whether DEBUG is on or off."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Return the `APIException` for `exc`. None is left over for `convert_unhandled_exceptions`."""
        problem = to_api_exception(exc)
        if isinstance(problem, drf.ValidationError) and problem.status_code == 400:
            problem.status_code = conf().VALIDATION_STATUS
        return problem

    def should_not_handle(self, exc: Exception) -> bool:
        """Return whether Django is to raise the exception: an unexpected one, under DEBUG_PROPAGATE_EXCEPTIONS."""
        return isinstance(exc, types.InternalError) and settings.DEBUG_PROPAGATE_EXCEPTIONS

    def set_rollback(self) -> None:
        """Roll back the request's transaction, as DRF does. Only for its views, and only under ATOMIC_REQUESTS.

        Elsewhere the request's transaction is over, and an open one belongs to other code, such as a test.
        """
        if self.context.get("view") is not None and is_atomic():
            super().set_rollback()

    def format_exception(self, exc: drf.APIException) -> TranslatedProblem:  # type: ignore[override]  # typed, not a dict
        """Return the problem and its language."""
        return ProblemFormatter(exc, self.context, self.exc).run()

    def get_response(self, exc: drf.APIException, data: TranslatedProblem) -> HttpResponseBase:  # type: ignore[override]  # wider, as the engine's is
        """Return the response. No renderer touches it, so that it is the same for every `Accept`."""
        request = django_request(self.context["request"])
        headers = self.get_headers(exc)
        return ProblemResponse(data.problem, head=request.method == "HEAD", headers=headers, language=data.language)

    def get_headers(self, exc: drf.APIException) -> dict[str, str]:
        """Return the headers of the exception itself, and those that REST framework and RFC 9110 demand."""
        headers = dict(getattr(exc, "headers", None) or ()) | super().get_headers(exc)
        if exc.status_code == 401 and "WWW-Authenticate" not in headers and (challenge := self.get_challenge()):
            headers["WWW-Authenticate"] = challenge
        if exc.status_code == 415 and not headers.keys() & {"Accept", "Accept-Encoding"}:
            headers |= self.get_accepted_types()
        if getattr(exc, "wait", None) == 0:
            headers["Retry-After"] = "0"  # which the library takes for no time at all
        return headers

    def get_accepted_types(self) -> dict[str, str]:
        """Return the `Accept` header for a 415 (RFC 9110, section 15.5.16): the media types of the view's parsers."""
        view = self.context.get("view")
        types = [parser.media_type for parser in view.get_parsers()] if view is not None else []
        return {"Accept": ", ".join(types)} if types else {}

    def get_challenge(self) -> str | None:
        """Return the value of WWW-Authenticate. DRF sets it for its own two exceptions; other 401s need it too."""
        view, request = self.context.get("view"), self.context["request"]
        return view.get_authenticate_header(request) if view is not None and request is not None else None

    def report_exception(self, exc: drf.APIException, response: HttpResponseBase) -> None:
        """Log the error, and send `got_request_exception` for a 5xx."""
        request = django_request(self.context["request"])
        slug = response.problem.type.rpartition("/")[2]  # type: ignore[attr-defined]  # made in get_response
        report(request, response, self.exc, slug=slug, signalled=bool(self.context.get("signalled")))


def is_atomic() -> bool:
    """Return whether any database has ATOMIC_REQUESTS. Reads the settings: connections would cost five times that."""
    return any(database["ATOMIC_REQUESTS"] for database in connections.settings.values())
