"""Writes the problem for an `APIException`: drf-standardized-errors' formatter, with its steps filled in for RFC 9457.

Its function `flatten_errors` is not used: it takes quadratic time and drops the index 0 of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import translation
from drf_standardized_errors.formatter import ExceptionFormatter
from rest_framework import exceptions as drf

from systemlog.compat import django_request, parsed_body
from systemlog.conf import conf
from systemlog.problems import types
from systemlog.problems.exceptions import InvalidBody, InvalidParameters, ProblemException
from systemlog.problems.formatting.field_names import wire_names_of
from systemlog.problems.formatting.messages import is_made_from, language_of, safe_detail, texts_of, translate
from systemlog.problems.pointers import Place, count, flatten, json_pointer
from systemlog.problems.problem import FieldError, Problem
from systemlog.problems.registry import ABOUT_BLANK, ProblemType
from systemlog.problems.response import (
    correlation_id_of,
    instance_of,
    phrase,
)

OF_DRF: tuple[tuple[type[drf.APIException], type[ProblemException]], ...] = (
    (drf.ParseError, types.MalformedBody),
    (drf.AuthenticationFailed, types.AuthenticationFailed),
)
"""The problem types of those DRF exceptions whose status belongs to another type. The others are found by status."""

CODES_OF_DRF: dict[int, set[str]] = {}
"""By status, the default codes of DRF's own exceptions. They add nothing to the problem type and are left out."""

for _kind in vars(drf).values():
    if isinstance(_kind, type) and issubclass(_kind, drf.APIException):
        CODES_OF_DRF.setdefault(_kind.status_code, {drf.APIException.default_code}).add(_kind.default_code)

BODILESS = ("GET", "HEAD", "OPTIONS")
NO_MEMBERS: Mapping[str, object] = {}


class TranslatedProblem(NamedTuple):
    """A problem and the language of its texts; None if the project does not use translation."""

    problem: Problem
    language: str | None


class ProblemFormatter(ExceptionFormatter):
    """Makes the problem for an `APIException`."""

    def __init__(self, exc: drf.APIException, context: Any, original_exc: Exception) -> None:
        super().__init__(exc, context, original_exc)
        self.request = django_request(context["request"])
        self._language: str | None = None
        self._translates = self._translated = False

    def run(self) -> TranslatedProblem:
        """Return the problem, in the language that the client asks for if a catalogue has its texts."""
        language = language_of(self.request)
        self._language = language
        self._translates = language not in (None, settings.LANGUAGE_CODE)
        if not self._translates:
            return self._write(language)
        with translation.override(language):
            return self._write(language)

    def _write(self, language: str | None) -> TranslatedProblem:
        exc, problem_type = self.exc, self.get_error_type()
        title, default = texts_of(problem_type, language) if problem_type else (phrase(exc.status_code), "")
        detail = self.get_detail()
        errors, omitted = self.get_errors()
        extensions: Mapping[str, object] = getattr(exc, "members", NO_MEMBERS)
        if code := self.get_code():
            extensions = {**extensions, "code": code}
        if omitted:
            extensions = {**extensions, "errors_omitted": omitted}
        problem = Problem(
            type=problem_type.uri if problem_type else ABOUT_BLANK,
            title=title,
            status=exc.status_code,
            detail=(self._translate(detail) if detail else default) or title,
            instance=instance_of(self.request),
            correlation_id=correlation_id_of(self.request),
            errors=errors,
            extensions=extensions,
        )
        return TranslatedProblem(problem, self._language_of(problem, problem_type, detail, language))

    def _language_of(
        self, problem: Problem, problem_type: ProblemType | None, detail: str, language: str | None
    ) -> str | None:
        """Return the language of the problem's texts: LANGUAGE_CODE if no catalogue had a translation of any."""
        if not self._translates or getattr(self.request, "LANGUAGE_CODE", None):
            return language
        default = settings.LANGUAGE_CODE
        source = texts_of(problem_type, default) if problem_type else (problem.title, detail)
        same = problem.title == source[0] and (detail != "" or problem.detail == (source[1] or source[0]))
        return default if same and not self._translated else language

    def get_error_type(self) -> ProblemType | None:  # type: ignore[override]  # the library has three texts here
        """Return the problem type; None if the status is all that is known, which is `about:blank`."""
        exc, status = self.exc, self.exc.status_code
        if isinstance(exc, ProblemException):
            return exc.problem_type
        if isinstance(exc, drf.ValidationError):
            return types.ValidationFailed.problem_type
        for kind, problem in OF_DRF:
            if isinstance(exc, kind) and status == problem.status_code:
                return problem.problem_type
        return types.type_of_status(status)

    def get_detail(self) -> str:
        """Return the text about this occurrence; empty if there is none, or if it must not be shown."""
        exc = self.exc
        if isinstance(exc, ProblemException):
            return exc.own_detail
        if isinstance(exc, drf.ValidationError) or exc.status_code == 500:
            return ""
        detail = exc.detail.get("detail") if isinstance(exc.detail, dict) else exc.detail
        if not isinstance(detail, str):
            return ""
        if has_default_detail_of_drf(type(exc)) and is_made_from(detail, exc.default_detail):
            # Without a challenge to send, DRF turns a 401 into a 403. Then the text tells that a login is missing.
            return str(detail) if exc.status_code != type(exc).status_code else ""
        if isinstance(exc, drf.ParseError) and (exc.__context__ or exc.__cause__):
            # A ParseError that was raised because of another exception repeats the text of that exception.
            return ""
        return str(detail)

    def get_code(self) -> str | None:
        """Return the `code` that a view gave the exception, or that its detail has; None if it is the class's default.

        Clients need it: simplejwt's, for example, get a new token when the code is `token_not_valid`.
        """
        exc = self.exc
        if isinstance(exc, ProblemException | drf.ValidationError) or exc.status_code == 500:
            return None
        if isinstance(exc.detail, dict):
            code = exc.detail.get("code")
            return str(code) if isinstance(code, str) else None
        code = getattr(exc.detail, "code", None)
        usual = code == exc.default_code or code in CODES_OF_DRF.get(exc.status_code, ())
        return None if usual or not isinstance(code, str) else str(code)

    def get_errors(self) -> tuple[tuple[FieldError, ...], int]:  # type: ignore[override]  # with the number omitted
        """Return the errors of the input, at most PROBLEM_MAX_ERRORS, and the number of those that were left out."""
        exc = self.exc
        if isinstance(exc, InvalidParameters):
            limit = conf().PROBLEM_MAX_ERRORS
            return tuple(map(self._checked_parameter, exc.errors[:limit])), max(0, len(exc.errors) - limit)
        if not isinstance(exc, drf.ValidationError):
            return (), 0
        limit = conf().PROBLEM_MAX_ERRORS
        self._names = wire_names_of(self.context.get("view"), self.request)
        self._input = parsed_body(self.context["request"])  # to find out whether a message repeats a value of it
        make = self._parameter_error if self.request.method in BODILESS else self._body_error
        places = iter(exc.places) if isinstance(exc, InvalidBody) else flatten(exc.detail)
        errors = tuple(map(make, islice(places, limit)))
        if not errors:
            text = self._translate(str(drf.ValidationError.default_detail))
            return (FieldError(detail=text, code=drf.ValidationError.default_code, pointer="#"),), 0
        if isinstance(exc, InvalidBody):
            return errors, len(exc.places) + exc.omitted - len(errors)
        return errors, 0 if next(places, None) is None else count(exc.detail) - limit

    def _body_error(self, place: Place) -> FieldError:
        path, value = place.path, self._input
        if value is not None:
            for key in path:
                value = _member(value, key)
        return FieldError(*self._texts(place, value), json_pointer(map(self._names, path) if self._names else path))

    def _parameter_error(self, place: Place) -> FieldError:
        """Return the error as one of a query parameter: of a request without a body, serializers check the query."""
        if not place.path:
            return FieldError(*self._texts(place, None), "#")
        name = str(place.path[0])
        return FieldError(*self._texts(place, self.request.GET.get(name)), parameter=name)

    def _checked_parameter(self, error: FieldError) -> FieldError:
        value = self.request.GET.get(error.parameter or "")
        return error._replace(detail=self._translate(safe_detail(error.detail, error.code, value, self._language)))

    def _texts(self, place: Place, value: object) -> tuple[str, str]:
        code = str(getattr(place.detail, "code", None) or "invalid")
        return self._translate(safe_detail(str(place.detail), code, value, self._language)), code

    def _translate(self, text: str) -> str:
        if not self._translates:
            return text
        translated = translate(text)
        self._translated = self._translated or translated != text
        return translated


def has_default_detail_of_drf(kind: type[drf.APIException]) -> bool:
    """Return whether the class inherits `default_detail` from DRF: a template, filled with a part of the request."""
    return next(parent for parent in kind.__mro__ if "default_detail" in vars(parent)).__module__ == drf.__name__


def _member(value: object, key: object) -> object:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None
