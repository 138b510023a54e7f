"""From an exception to its response: drf-standardized-errors' handler, with its steps filled in for RFC 9457."""

from __future__ import annotations

from django.conf import settings
from django.db import connections
from django.http.response import HttpResponseBase
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions as drf

from systemlog.conf import conf
from systemlog.problems import types
from systemlog.problems.error_log import report
from systemlog.problems.formatting.exception_map import recognise
from systemlog.problems.formatting.formatter import ProblemFormatter, TranslatedProblem, django_request
from systemlog.problems.response import ProblemResponse


class ProblemHandler(ExceptionHandler):
    """Answers an exception with a problem, whatever it is and whether DEBUG is on or off."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Every exception is known: what cannot be told is an internal error."""
        problem = recognise(exc)
        if isinstance(problem, drf.ValidationError) and problem.status_code == 400:
            problem.status_code = conf().VALIDATION_STATUS
        return problem

    def should_not_handle(self, exc: Exception) -> bool:
        """Only if the project wants Django to let exceptions through (DEBUG_PROPAGATE_EXCEPTIONS)."""
        return isinstance(exc, types.InternalError) and settings.DEBUG_PROPAGATE_EXCEPTIONS

    def set_rollback(self) -> None:
        """As DRF does, for its views alone: elsewhere the request's own transaction is over, and the one in force,
        if there is one, belongs to somebody else (a test).
        """
        if self.context.get("view") is not None and is_atomic():
            super().set_rollback()

    def format_exception(self, exc: drf.APIException) -> TranslatedProblem:  # type: ignore[override]  # typed, not a dict
        """The problem, and its language."""
        return ProblemFormatter(exc, self.context, self.exc).run()

    def get_response(self, exc: drf.APIException, data: TranslatedProblem) -> HttpResponseBase:  # type: ignore[override]  # wider, as the engine's is
        """The response, which no renderer touches: it is the same for every Accept."""
        request = django_request(self.context["request"])
        headers = self.get_headers(exc)
        return ProblemResponse(data.problem, head=request.method == "HEAD", headers=headers, language=data.language)

    def get_headers(self, exc: drf.APIException) -> dict[str, str]:
        """The headers of the exception: DRF's two, and those that a problem brings."""
        headers = dict(getattr(exc, "headers", None) or ())
        if getattr(exc, "auth_header", None):
            headers["WWW-Authenticate"] = exc.auth_header  # type: ignore[attr-defined]  # DRF's views set it
        elif exc.status_code == 401 and (challenge := self.get_challenge()):
            headers.setdefault("WWW-Authenticate", challenge)
        if exc.status_code == 415 and not headers.keys() & {"Accept", "Accept-Encoding"}:
            headers |= self.get_accepted_types()
        if getattr(exc, "wait", None) is not None:
            headers["Retry-After"] = str(int(exc.wait))  # type: ignore[attr-defined]  # of Throttled
        return headers

    def get_accepted_types(self) -> dict[str, str]:
        """What a body may be instead (RFC 9110, section 15.5.16): the media types of the view's parsers."""
        view = self.context.get("view")
        types = [parser.media_type for parser in view.get_parsers()] if view is not None else []
        return {"Accept": ", ".join(types)} if types else {}

    def get_challenge(self) -> str | None:
        """What DRF says in WWW-Authenticate for its own two exceptions; a 401 of another class needs it as much."""
        view, request = self.context.get("view"), self.context["request"]
        return view.get_authenticate_header(request) if view is not None and request is not None else None

    def report_exception(self, exc: drf.APIException, response: HttpResponseBase) -> None:
        """One log record, and the signal for a 5xx."""
        request = django_request(self.context["request"])
        slug = response.problem.type.rpartition("/")[2]  # type: ignore[attr-defined]  # made in get_response
        report(request, response, self.exc, slug=slug, signalled=bool(self.context.get("signalled")))


def is_atomic() -> bool:
    """Whether any database has ATOMIC_REQUESTS. Asks the settings, for to ask the connections costs five times that."""
    return any(database["ATOMIC_REQUESTS"] for database in connections.settings.values())
