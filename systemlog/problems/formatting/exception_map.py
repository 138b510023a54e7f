"""Maps every exception that Django, REST framework, a database or a view can raise to an `APIException`.

An expected failure is recognized by its class. Every other exception is an internal error, whose text is never shown.
"""

from __future__ import annotations

import json.decoder
import json.scanner
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from django.core import exceptions as django
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, UnreadablePostError
from django.middleware.common import CommonMiddleware
from rest_framework import exceptions as drf
from rest_framework.parsers import BaseParser
from rest_framework.settings import api_settings

from systemlog import compat
from systemlog.problems import types
from systemlog.problems.formatting.messages import safe_message

CONFLICT_SQLSTATES = {"23505", "23503", "23P01", "23001"}
"""PostgreSQL: unique, foreign key, exclusion, restrict. NOT NULL and CHECK violations are errors of the program."""

CONFLICT_SQLITE_NAMES = {
    "SQLITE_CONSTRAINT_UNIQUE",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    "SQLITE_CONSTRAINT_ROWID",
    "SQLITE_CONSTRAINT_FOREIGNKEY",
}
CONFLICT_MYSQL_CODES = {1062, 1169, 1216, 1217, 1451, 1452, 1557, 1586}

PARSING_FILES = {json.decoder.__file__, json.scanner.__file__}


def to_api_exception(exc: BaseException) -> drf.APIException:
    """Return the `APIException` that describes `exc` to the client; an `InternalError` if it is unexpected."""
    for kinds, make in KINDS:
        if isinstance(exc, kinds):
            return make(exc)
    return _unavailable(exc) if _is_of_the_pool(exc) else _internal_error()


def validation_detail(exc: django.ValidationError) -> dict[str, list[drf.ErrorDetail]] | list[drf.ErrorDetail]:
    """Convert Django's ValidationError to REST framework's details, without the values that its messages repeat."""
    if hasattr(exc, "error_dict"):
        return {
            api_settings.NON_FIELD_ERRORS_KEY if name == django.NON_FIELD_ERRORS else name: _details(errors)
            for name, errors in exc.error_dict.items()
        }
    return _details(exc.error_list)


def _details(errors: list[django.ValidationError]) -> list[drf.ErrorDetail]:
    return [drf.ErrorDetail(safe_message(error), code=error.code or "invalid") for error in errors]


def _api_exception(exc: drf.APIException) -> drf.APIException:
    if isinstance(exc, drf.PermissionDenied) and str(exc.detail).startswith("CSRF Failed:"):
        # The text that SessionAuthentication adds repeats the Origin header.
        return types.CsrfFailed()
    return exc


def _validation_error(exc: django.ValidationError) -> drf.APIException:
    return drf.ValidationError(validation_detail(exc))


def _integrity_error(exc: IntegrityError) -> drf.APIException:
    return types.Conflict() if _is_conflict(exc) else _internal_error()


def _recursion_error(exc: RecursionError) -> drf.APIException:
    return types.MalformedBody() if _was_parsing(exc.__traceback__) else _internal_error()


def _runtime_error(exc: RuntimeError) -> drf.APIException:
    innermost = [frame.tb_frame.f_code for frame in _frames(exc.__traceback__)][-1:]
    # Under DEBUG, CommonMiddleware raises this in place of a redirect that would lose the body.
    return slash_missing() if innermost == [CommonMiddleware.get_full_path_with_slash.__code__] else _internal_error()


def slash_missing() -> drf.APIException:
    """Return the problem for a request with a body whose path lacks the slash that APPEND_SLASH would add."""
    return types.NotFound("There is nothing at this path, but at the same path with a slash at its end there is.")


def _internal_error() -> drf.APIException:
    return types.InternalError()


def _unavailable(exc: BaseException) -> drf.APIException:
    return types.Unavailable(headers={"Retry-After": str(types.RETRY_AFTER_S)})


def _always(problem: type[drf.APIException]) -> Callable[[BaseException], drf.APIException]:
    return lambda exc: problem()


Kinds = type[BaseException] | tuple[type[BaseException], ...]

KINDS: tuple[tuple[Kinds, Callable[[Any], drf.APIException]], ...] = (
    (drf.APIException, _api_exception),
    (Http404, _always(types.NotFound)),
    (django.PermissionDenied, _always(types.PermissionDenied)),
    (django.ValidationError, _validation_error),
    (django.RequestDataTooBig, _always(types.ContentTooLarge)),
    ((django.SuspiciousOperation, django.BadRequest), _always(types.BadRequest)),
    (compat.MultiPartParserError, _always(types.MalformedBody)),
    (UnreadablePostError, _always(types.IncompleteBody)),
    ((ProtectedError, RestrictedError), _always(types.StillReferenced)),
    (IntegrityError, _integrity_error),
    ((OperationalError, InterfaceError), _unavailable),
    (RecursionError, _recursion_error),
    (RuntimeError, _runtime_error),
)
"""By class of the exception, the function that makes the `APIException`. The first entry that matches counts."""


def _is_conflict(exc: IntegrityError) -> bool:
    cause = exc.__cause__
    if getattr(cause, "sqlite_errorname", None) in CONFLICT_SQLITE_NAMES:
        return True
    if getattr(cause, "sqlstate", None) in CONFLICT_SQLSTATES:
        return True
    return bool(exc.args) and exc.args[0] in CONFLICT_MYSQL_CODES


def _is_of_the_pool(exc: BaseException) -> bool:
    """Return whether psycopg's own OperationalError is in the class's bases, such as the timeout of its pool.

    Django converts psycopg's exceptions to its own, but not those of the pool.
    """
    return any(kind.__name__ == "OperationalError" and kind.__module__ == "psycopg" for kind in type(exc).__mro__)


def _was_parsing(traceback: TracebackType | None) -> bool:
    """Return whether a parser of REST framework or the JSON decoder raised it: then the input is nested too deep."""
    innermost = None
    for frame in _frames(traceback):
        innermost = frame.tb_frame
        if isinstance(innermost.f_locals.get("self"), BaseParser):
            return True
    return innermost is not None and innermost.f_code.co_filename in PARSING_FILES


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
