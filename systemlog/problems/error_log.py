"""Writes one log record for each error of a request, and sends `got_request_exception` for each 5xx.

Django logs the same errors in several places and at fixed levels: in views (405), in decorators, and after the last
middleware. For requests inside ProblemMiddleware a filter drops those records, and `report` writes this one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

from django.conf import settings
from django.core import signals
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.conf import NAME, conf
from systemlog.correlation import current
from systemlog.correlation.access_log import cut_path
from systemlog.problems.repeats import repeats
from systemlog.problems.response import correlation_id_of, instance_of
from systemlog.problems.wrong_hosts import wrong_hosts

INSIDE_MIDDLEWARE = "_systemlog_problems"
"""The attribute that marks a request while it is inside ProblemMiddleware."""

logger = logging.getLogger("django.request")


class DropDjangosRecords(logging.Filter):
    """Drops Django's own record of an error that `report` logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record if `report` wrote it, or if it is not about a request inside ProblemMiddleware."""
        return getattr(record, "action", None) == ACTION or not getattr(
            getattr(record, "request", None), INSIDE_MIDDLEWARE, False
        )


ACTION = "problem"
_drop_djangos_records = DropDjangosRecords()


def install_filter() -> None:
    """Put the filter on Django's loggers. Calling this twice has no effect."""
    for name in ("django.request", "django.security.csrf"):
        logging.getLogger(name).addFilter(_drop_djangos_records)


def report(
    request: HttpRequest,
    response: HttpResponseBase,
    exc: BaseException | None = None,
    *,
    slug: str | None = None,
    signalled: bool = False,
) -> None:
    """Log an error response, unless it was logged before, and send `got_request_exception` for a 5xx.

    `exc` is the exception behind the response, and `slug` its problem type. `signalled` says that the signal was sent.
    A 4xx is logged at its level in PROBLEM_LOG_LEVELS, and not at all if it repeats too often (`repeats`).
    """
    if compat.was_logged(response):
        return
    compat.mark_logged(response)
    if getattr(exc, "is_recorded", False):
        return
    status = response.status_code
    if status >= 500 and exc is not None and not signalled:
        _send_signal(request, exc)
    level = logging.ERROR if status >= 500 else configured_level(status, conf().PROBLEM_LOG_LEVELS)
    if level is None:
        if isinstance(exc, DisallowedHost):
            wrong_hosts.warn(request)
        return
    user_id = _find_user_id(request, exc)
    if status < 500 and not _may_log(request, status, slug, user_id, level):
        return
    (
        logging.getLogger(f"django.security.{type(exc).__name__}") if isinstance(exc, SuspiciousOperation) else logger
    ).log(
        level,
        "%s %s: %s",
        request.method,
        cut_path(instance_of(request)),
        status,
        exc_info=exc if status >= 500 else None,
        extra={
            "action": ACTION,
            "status_code": status,
            "problem": slug,
            "user_id": user_id,
            "correlation_id": correlation_id_of(request),
            "request": request,
        },
    )


def _may_log(request: HttpRequest, status: int, slug: str | None, user_id: str | None, level: int) -> bool:
    """Return whether this 4xx gets a record of its own. In tests each does, unless PROBLEM_LOG_REPEATS is set."""
    if compat.in_tests() and "PROBLEM_LOG_REPEATS" not in getattr(settings, NAME, {}):
        return True
    most = conf().PROBLEM_LOG_REPEATS
    return repeats.may_log(request, status=status, slug=slug, user_id=user_id, level=level, most=most)


def configured_level(status: int, levels: Mapping[int, str]) -> int | None:
    """Return the level at which a 4xx is logged; None if it is not logged."""
    name = levels.get(status)
    return None if name is None else logging.getLevelNamesMapping()[name]


def _find_user_id(request: HttpRequest, exc: BaseException | None) -> str | None:
    """Return the primary key of the request's user as text; None if nobody is logged in or the user is not known.

    Queries the database for the user only in the request's own thread (WSGI), and only if `exc` is not an error of the
    database.
    """
    correlation = current()
    if correlation is not None and correlation.user_id is not None:
        return correlation.user_id
    user = compat.loaded_user(request)
    if user is None:
        user = request.__dict__.get("user")
        if not isinstance(request, WSGIRequest) or isinstance(exc, DatabaseError):
            return None
        try:
            getattr(user, "is_authenticated", None)  # loads the user
        except Exception:  # noqa: BLE001  (a log record is not worth a second failure)
            return None
    key = getattr(user, "pk", None)
    return None if key is None else str(key)


def _send_signal(request: HttpRequest, exc: BaseException) -> None:
    if sys.exc_info()[1] is exc:
        signals.got_request_exception.send(sender=None, request=request)
        return
    # The receivers of Sentry and of Django's test client read sys.exc_info().
    try:
        raise exc
    except (Exception, SystemExit):  # noqa: BLE001  (raised only for sys.exc_info())
        signals.got_request_exception.send(sender=None, request=request)
