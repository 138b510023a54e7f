"""All exceptions that code can raise, by name. Each contains a secret that no response may show."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg.errors
import psycopg_pool
from django.contrib.sessions.exceptions import InvalidSessionKey, SessionInterrupted, SuspiciousSession
from django.core import exceptions as django
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf

from systemlog.problems import InvalidParameters, ProblemException, ProblemType

SECRET = "s3cr3t-hunter2-4711"


class OutOfStock(ProblemException):
    """The order asks for more than there is."""

    status_code = 409


class SessionExpired(ProblemException):
    """The session has expired."""

    status_code = 401


class PaymentRequired(drf.APIException):
    """A project's exception that is not a ProblemException."""

    status_code = 402
    default_detail = "Pay first."


TEAPOT = ProblemType(slug="teapot", title="A teapot", status=418, detail="It is short and stout.", documentation="Tea.")


def caused(exc: Exception, cause: BaseException) -> Exception:
    """Return `exc` with a cause, as a database backend raises it."""
    exc.__cause__ = cause
    return exc


def sqlite_error(name: str) -> sqlite3.IntegrityError:
    """Return an error of sqlite3 with this name."""
    error = sqlite3.IntegrityError(SECRET)
    error.sqlite_errorname = name
    return error


def while_handling(inner: Exception, outer: Exception) -> Exception:
    """Return `outer`, raised while `inner` was handled."""
    outer.__context__ = inner
    return outer


class Unprintable:
    """A value whose `str` and `repr` are the secret."""

    def __repr__(self) -> str:
        return SECRET


Case = tuple[Callable[[], BaseException], int, str]

CASES: dict[str, Case] = {
    # REST framework
    "ValidationError": (lambda: drf.ValidationError({"name": ["Too short."]}), 400, "validation-failed"),
    "ParseError": (drf.ParseError, 400, "malformed-body"),
    "ParseError for another": (
        lambda: while_handling(ValueError(SECRET), drf.ParseError(f"JSON parse error - {SECRET}")),
        400,
        "malformed-body",
    ),
    "AuthenticationFailed": (drf.AuthenticationFailed, 401, "authentication-failed"),
    "NotAuthenticated": (drf.NotAuthenticated, 401, "not-authenticated"),
    "PermissionDenied of DRF": (drf.PermissionDenied, 403, "permission-denied"),
    "CSRF failure of DRF": (lambda: drf.PermissionDenied(f"CSRF Failed: Origin {SECRET}"), 403, "csrf-failed"),
    "NotFound": (drf.NotFound, 404, "not-found"),
    "MethodNotAllowed": (lambda: drf.MethodNotAllowed(SECRET), 405, "method-not-allowed"),
    "NotAcceptable": (drf.NotAcceptable, 406, "not-acceptable"),
    "UnsupportedMediaType": (lambda: drf.UnsupportedMediaType(SECRET), 415, "unsupported-media-type"),
    "Throttled": (lambda: drf.Throttled(wait=7), 429, "too-many-requests"),
    "APIException": (lambda: drf.APIException(SECRET), 500, "internal-error"),
    "APIException of the project": (PaymentRequired, 402, "about:blank"),
    # systemlog
    "ProblemException": (lambda: OutOfStock("Three are left.", available=3), 409, "out-of-stock"),
    "problem type as object": (lambda: ProblemException(problem_type=TEAPOT), 418, "teapot"),
    "problem of status 401": (SessionExpired, 401, "session-expired"),
    "InvalidParameters": (lambda: InvalidParameters({"limit": "Must be a number."}), 400, "invalid-parameters"),
    "member without JSON form": (lambda: OutOfStock(available=Unprintable()), 500, "internal-error"),
    # Django
    "Http404": (lambda: Http404(SECRET), 404, "not-found"),
    "PermissionDenied of Django": (lambda: django.PermissionDenied(SECRET), 403, "permission-denied"),
    "SuspiciousOperation": (lambda: django.SuspiciousOperation(SECRET), 400, "bad-request"),
    "SuspiciousFileOperation": (lambda: django.SuspiciousFileOperation(SECRET), 400, "bad-request"),
    "SuspiciousMultipartForm": (lambda: django.SuspiciousMultipartForm(SECRET), 400, "bad-request"),
    "SuspiciousSession": (lambda: SuspiciousSession(SECRET), 400, "bad-request"),
    "InvalidSessionKey": (lambda: InvalidSessionKey(SECRET), 400, "bad-request"),
    "SessionInterrupted": (lambda: SessionInterrupted(SECRET), 400, "bad-request"),
    "DisallowedHost": (lambda: django.DisallowedHost(SECRET), 400, "bad-request"),
    "DisallowedRedirect": (lambda: django.DisallowedRedirect(SECRET), 400, "bad-request"),
    "RequestDataTooBig": (lambda: django.RequestDataTooBig(SECRET), 413, "content-too-large"),
    "TooManyFieldsSent": (lambda: django.TooManyFieldsSent(SECRET), 400, "bad-request"),
    "TooManyFilesSent": (lambda: django.TooManyFilesSent(SECRET), 400, "bad-request"),
    "BadRequest": (lambda: django.BadRequest(SECRET), 400, "bad-request"),
    "MultiPartParserError": (lambda: MultiPartParserError(SECRET), 400, "malformed-body"),
    "UnreadablePostError": (lambda: UnreadablePostError(SECRET), 400, "incomplete-body"),
    "ValidationError of Django": (
        lambda: django.ValidationError({"name": django.ValidationError("%(value)s is bad", params={"value": SECRET})}),
        400,
        "validation-failed",
    ),
    # databases
    "ProtectedError": (lambda: ProtectedError(SECRET, set()), 409, "still-referenced"),
    "RestrictedError": (lambda: RestrictedError(SECRET, set()), 409, "still-referenced"),
    "unique key on PostgreSQL": (
        lambda: caused(IntegrityError(SECRET), psycopg.errors.UniqueViolation(SECRET)),
        409,
        "conflict",
    ),
    "foreign key on PostgreSQL": (
        lambda: caused(IntegrityError(SECRET), psycopg.errors.ForeignKeyViolation(SECRET)),
        409,
        "conflict",
    ),
    "NOT NULL on PostgreSQL": (
        lambda: caused(IntegrityError(SECRET), psycopg.errors.NotNullViolation(SECRET)),
        500,
        "internal-error",
    ),
    "unique key on SQLite": (
        lambda: caused(IntegrityError(SECRET), sqlite_error("SQLITE_CONSTRAINT_UNIQUE")),
        409,
        "conflict",
    ),
    "foreign key on SQLite": (
        lambda: caused(IntegrityError(SECRET), sqlite_error("SQLITE_CONSTRAINT_FOREIGNKEY")),
        409,
        "conflict",
    ),
    "unique key on MySQL": (lambda: IntegrityError(1062, SECRET), 409, "conflict"),
    "OperationalError": (lambda: OperationalError(SECRET), 503, "unavailable"),
    "InterfaceError": (lambda: InterfaceError(SECRET), 503, "unavailable"),
    "statement timeout": (
        lambda: caused(OperationalError(SECRET), psycopg.errors.QueryCanceled(SECRET)),
        503,
        "unavailable",
    ),
    "pool timeout": (lambda: psycopg_pool.PoolTimeout(SECRET), 503, "unavailable"),
    "ProgrammingError": (lambda: ProgrammingError(SECRET), 500, "internal-error"),
    "DataError": (lambda: DataError(SECRET), 500, "internal-error"),
    # unexpected exceptions
    "ValueError": (lambda: ValueError(SECRET), 500, "internal-error"),
    "RecursionError": (lambda: RecursionError(SECRET), 500, "internal-error"),
    "ImproperlyConfigured": (lambda: django.ImproperlyConfigured(SECRET), 500, "internal-error"),
    "SystemExit": (lambda: SystemExit(SECRET), 500, "internal-error"),
}


def throw(name: str) -> Any:
    """Raise the exception with this name."""
    raise CASES[name][0]()
