"""The one log record, and the one signal, that each error of a request gets.

Django logs the same errors at several places and at levels of its own: in views (405), in decorators, behind the last
middleware. For requests that pass ProblemMiddleware those records are dropped, and this one is written.
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
from django.utils.functional import LazyObject, empty

from systemlog import compat
from systemlog.conf import NAME, conf
from systemlog.correlation import current
from systemlog.correlation.access_log import cut_path
from systemlog.problems.repeats import repeats
from systemlog.problems.response import correlation_id_of, instance_of
from systemlog.problems.wrong_hosts import wrong_hosts

ON_OUR_ROAD = "_systemlog_problems"
"""The attribute of a request between ProblemMiddleware's doors."""

logger = logging.getLogger("django.request")


class OnlyOurRecords(logging.Filter):
    """Drops what Django itself logs about a response that `report` speaks of."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep ours, and whatever is not about such a request."""
        return getattr(record, "action", None) == ACTION or not getattr(
            getattr(record, "request", None), ON_OUR_ROAD, False
        )


ACTION = "problem"
_only_ours = OnlyOurRecords()


def install_filter() -> None:
    """Put the filter on Django's loggers; twice does no harm."""
    for name in ("django.request", "django.security.csrf"):
        logging.getLogger(name).addFilter(_only_ours)


def report(
    request: HttpRequest,
    response: HttpResponseBase,
    exc: BaseException | None = None,
    *,
    slug: str | None = None,
    signalled: bool = False,
) -> None:
    """Log the error that `response` is, and for a 5xx tell whoever listens to `got_request_exception`."""
    if getattr(response, "_has_been_logged", False):
        return
    # Django's own mark, which keeps its handler from logging the response again.
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark
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
    user_id = user_id_of(request, exc)
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
    """Whether this 4xx has a record of its own. In tests all have, unless the project's settings have the key."""
    if compat.in_tests() and "PROBLEM_LOG_REPEATS" not in getattr(settings, NAME, {}):
        return True
    most = conf().PROBLEM_LOG_REPEATS
    return repeats.may_log(request, status=status, slug=slug, user_id=user_id, level=level, most=most)


def configured_level(status: int, levels: Mapping[int, str]) -> int | None:
    """The level at which a 4xx is logged; None if it is not."""
    name = levels.get(status)
    return None if name is None else logging.getLevelNamesMapping()[name]


def user_id_of(request: HttpRequest, exc: BaseException | None) -> str | None:
    """Who asked. Asks the database only in the request's own thread, and only if that is not what broke."""
    correlation = current()
    if correlation is not None and correlation.user_id is not None:
        return correlation.user_id
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject) and user._wrapped is empty:
        if not isinstance(request, WSGIRequest) or isinstance(exc, DatabaseError):
            return None
        try:
            user.is_authenticated  # noqa: B018  (evaluates it)
        except Exception:  # noqa: BLE001  (a log record is not worth a second failure)
            return None
    key = getattr(user, "pk", None)
    return None if key is None else str(key)


def _send_signal(request: HttpRequest, exc: BaseException) -> None:
    if sys.exc_info()[1] is exc:
        signals.got_request_exception.send(sender=None, request=request)
        return
    # Receivers (Sentry's, the test client's) read sys.exc_info().
    try:
        raise exc
    except (Exception, SystemExit):  # noqa: BLE001  (whatever it is, it is only shown)
        signals.got_request_exception.send(sender=None, request=request)
