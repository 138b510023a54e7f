"""Where errors are caught. Django has no single hook that sees every error, so four are needed:

1. REST framework's `EXCEPTION_HANDLER` sees the exceptions of its views while the request's transaction is still open.
2. Django's `response_for_exception` sees every other exception, from views and from each middleware, with DEBUG on or
   off. `compat.intercept_exceptions` replaces that function; the replacement acts only for requests inside
   ProblemMiddleware.
3. `ProblemMiddleware` sees error responses that were returned and not raised, and SystemExit, which Django lets pass.
4. `handler400` to `handler500` and `csrf_failure` (in `views`) see the errors of middlewares above ProblemMiddleware,
   and Django's own refusals.

The obvious hooks are not enough. A try/except in a middleware misses the exceptions of the middlewares below it: Django
turns those into responses first. `process_exception` sees the exceptions of views only. Django skips its `handler404`
family under DEBUG, and calls `handler500` only after it has logged and signalled a crash.

Two kinds of errors lie outside all four: those that Django raises while it makes the request
(`compat.postpone_query_errors`), and those of a stream whose headers are sent (`streams`).
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.problems import error_log
from systemlog.problems.error_log import INSIDE_MIDDLEWARE
from systemlog.problems.handling import streams
from systemlog.problems.handling.fallback import answer


def install_hooks() -> None:
    """Install the hooks and log filters that ProblemMiddleware needs. Calling this twice has no effect."""
    compat.intercept_exceptions(_answer_inside_middleware)
    compat.postpone_query_errors()
    error_log.install_filter()
    streams.install_filter()


def _answer_inside_middleware(request: HttpRequest, exc: Exception) -> HttpResponseBase | None:
    return answer(request, exc) if getattr(request, INSIDE_MIDDLEWARE, False) else None
