"""System checks of the settings that problems need: each message names a setting and its correction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from inspect import unwrap
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from rest_framework.settings import api_settings

from systemlog import compat
from systemlog.conf import NAME, conf
from systemlog.correlation.routes import readable_route
from systemlog.problems import views
from systemlog.problems.negotiation import ContentNegotiation
from systemlog.problems.registry import slugs_taken_twice

MIDDLEWARE = "systemlog.problems.ProblemMiddleware"
HANDLER = "systemlog.problems.exception_handler"
NEGOTIATION = "systemlog.problems.ContentNegotiation"
CSRF_FAILURE = "systemlog.problems.views.csrf_failure"
DJANGOS_CSRF_FAILURE = "django.views.csrf.csrf_failure"
ABOVE = ("systemlog.correlation.CorrelationMiddleware", "health.middleware.HealthMiddleware")
"""The middlewares that belong above ProblemMiddleware."""


@register(Tags.compatibility)
def check_installation(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Check the installation in the settings and the URLconf.

    W021: the exception handler and the middleware are both installed. W022: only `ABOVE` stands above the middleware.
    W023: the `type` URIs lead to the pages of the problem types. W024: the negotiation class and the CSRF view of this
    package replace those that hide an error. W025: PROBLEM_HTML_PATHS names existing URLs.
    """
    middlewares = list(settings.MIDDLEWARE)
    has_middleware = MIDDLEWARE in middlewares
    has_handler = api_settings.user_settings.get("EXCEPTION_HANDLER") == HANDLER
    if not has_middleware and not has_handler:
        return []
    messages: list[CheckMessage] = []
    if not has_handler:
        messages.append(
            checks.Warning(
                "Errors of REST framework's views are not answered as problems.",
                hint=f"Set REST_FRAMEWORK['EXCEPTION_HANDLER'] to {HANDLER!r}.",
                id="systemlog.W021",
            )
        )
    if not has_middleware:
        messages.append(
            checks.Warning(
                "Errors outside of REST framework's views are not answered as problems.",
                hint=f"Add {MIDDLEWARE!r} to MIDDLEWARE, behind CorrelationMiddleware.",
                id="systemlog.W021",
            )
        )
    elif above := [name for name in middlewares[: middlewares.index(MIDDLEWARE)] if name not in ABOVE]:
        messages.append(
            checks.Warning(
                f"Errors in {', '.join(above)} are not answered as problems: they stand above {MIDDLEWARE}.",
                hint=f"Move {MIDDLEWARE!r} up, behind CorrelationMiddleware.",
                id="systemlog.W022",
            )
        )
    if not _is_served(conf().PROBLEM_BASE_URL):
        messages.append(
            checks.Warning(
                f"The `type` of every problem begins with {conf().PROBLEM_BASE_URL}, but the pages of the problem "
                "types are not served there.",
                hint="Include 'systemlog.problems.urls' at the root, before any pattern that takes every path, or set "
                f"{NAME}['PROBLEM_BASE_URL'].",
                id="systemlog.W023",
            )
        )
    return messages + list(_default_views(has_handler, has_middleware)) + list(_unknown_html_paths())


def _unknown_html_paths() -> Iterator[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    for place in conf().PROBLEM_HTML_PATHS:
        if place.startswith("/"):
            continue
        try:
            reverse(place)
        except NoReverseMatch:
            yield checks.Warning(
                f"{NAME}['PROBLEM_HTML_PATHS'] names {place!r}, which is neither a path nor the name of a URL.",
                hint="Write a path that begins with a slash, or the name of a URL that takes no arguments.",
                id="systemlog.W025",
            )


def _default_views(has_handler: bool, has_middleware: bool) -> Iterator[CheckMessage]:
    negotiation: Any = api_settings.DEFAULT_CONTENT_NEGOTIATION_CLASS
    if has_handler and not issubclass(negotiation, ContentNegotiation):
        yield checks.Warning(
            "A client that accepts only application/problem+json gets 406 in place of every other response.",
            hint=f"Set REST_FRAMEWORK['DEFAULT_CONTENT_NEGOTIATION_CLASS'] to {NEGOTIATION!r}.",
            id="systemlog.W024",
        )
    if has_middleware and settings.CSRF_FAILURE_VIEW == DJANGOS_CSRF_FAILURE:
        yield checks.Warning(
            "A failed CSRF check is answered like any other 403, which does not tell the client what to do.",
            hint=f"Set CSRF_FAILURE_VIEW to {CSRF_FAILURE!r}.",
            id="systemlog.W024",
        )


@register(Tags.compatibility)
def check_problem_types(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Check that no two problem types have the same slug (E022)."""
    return [
        Error(
            f"Two different problem types have the slug {slug!r}.",
            hint="Give one of them another `slug`, because clients tell problem types apart by it.",
            id="systemlog.E022",
        )
        for slug in sorted(slugs_taken_twice())
    ]


@register(Tags.compatibility)
def check_async_views(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Check that no async view is under ATOMIC_REQUESTS (E021). Django would answer each request to it with a 500."""
    atomic = {alias for alias, database in connections.settings.items() if database.get("ATOMIC_REQUESTS")}
    if not atomic or not getattr(settings, "ROOT_URLCONF", None):
        return []
    return [
        Error(
            f"ATOMIC_REQUESTS does not work for the async view of the route {readable_route(route)!r} ({_name(view)}).",
            hint="Decorate it with django.db.transaction.non_atomic_requests, or make it a sync view.",
            id="systemlog.E021",
        )
        for route, view in compat.views_of()
        if iscoroutinefunction(view) and atomic - compat.non_atomic_aliases(view)
    ]


def _is_served(base_url: str) -> bool:
    if not base_url.startswith("/") or not getattr(settings, "ROOT_URLCONF", None):
        return True  # the pages may be on another host, or the project may consist of workers alone
    try:
        return unwrap(resolve(base_url + "not-found").func) is unwrap(views.detail)
    except Resolver404:
        return False


def _name(view: Any) -> str:
    """Return the name of the view, or of the function that decorators and partials wrap."""
    while isinstance(view, partial):
        view = view.func
    view = unwrap(view)
    view = getattr(view, "view_class", view)
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"
