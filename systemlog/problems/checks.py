"""System checks: what would keep an error from being a problem is named at start-up, with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from inspect import unwrap
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.apps.config import AppConfig
from django.conf import global_settings, settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.urls import NoReverseMatch, Resolver404, get_resolver, resolve, reverse
from rest_framework.settings import api_settings

from systemlog.conf import NAME, conf
from systemlog.correlation.routes import readable_route
from systemlog.problems import views
from systemlog.problems.negotiation import ContentNegotiation
from systemlog.problems.registry import slugs_taken_twice
from systemlog.problems.routes import views_below

MIDDLEWARE = "systemlog.problems.ProblemMiddleware"
HANDLER = "systemlog.problems.exception_handler"
NEGOTIATION = "systemlog.problems.ContentNegotiation"
CSRF_FAILURE = "systemlog.problems.views.csrf_failure"
ABOVE = ("systemlog.correlation.CorrelationMiddleware", "health.middleware.HealthMiddleware")
"""The middlewares that belong above ours."""


@register(Tags.compatibility)
def check_installation(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W021: both doors are open; W022: no other middleware is above; W023: `type` URIs lead somewhere;
    W024: nothing of Django's or DRF's own turns one error into another.
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
                f"The `type` of every problem begins with {conf().PROBLEM_BASE_URL}, and the pages of the problem "
                "types are not there.",
                hint="Include 'systemlog.problems.urls' at the root, before any pattern that takes every path, or set "
                f"{NAME}['PROBLEM_BASE_URL'].",
                id="systemlog.W023",
            )
        )
    return messages + list(_other_answers(has_handler, has_middleware)) + list(_pages_nowhere())


def _pages_nowhere() -> Iterator[CheckMessage]:
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


def _other_answers(has_handler: bool, has_middleware: bool) -> Iterator[CheckMessage]:
    negotiation: Any = api_settings.DEFAULT_CONTENT_NEGOTIATION_CLASS
    if has_handler and not issubclass(negotiation, ContentNegotiation):
        yield checks.Warning(
            "A client that accepts nothing but application/problem+json gets 406 in place of every other answer.",
            hint=f"Set REST_FRAMEWORK['DEFAULT_CONTENT_NEGOTIATION_CLASS'] to {NEGOTIATION!r}.",
            id="systemlog.W024",
        )
    if has_middleware and settings.CSRF_FAILURE_VIEW == global_settings.CSRF_FAILURE_VIEW:
        yield checks.Warning(
            "A failed CSRF check is answered as any other 403, which does not say what to do.",
            hint=f"Set CSRF_FAILURE_VIEW to {CSRF_FAILURE!r}.",
            id="systemlog.W024",
        )


@register(Tags.compatibility)
def check_problem_types(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E022: no two problem types have one slug."""
    return [
        Error(
            f"Two different problem types have the slug {slug!r}.",
            hint="Give one of them another `slug`: clients tell problems apart by it.",
            id="systemlog.E022",
        )
        for slug in sorted(slugs_taken_twice())
    ]


@register(Tags.compatibility)
def check_async_views(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E021: no async view is under ATOMIC_REQUESTS: Django would answer every request to it with a 500."""
    atomic = {alias for alias, database in connections.settings.items() if database.get("ATOMIC_REQUESTS")}
    if not atomic or not getattr(settings, "ROOT_URLCONF", None):
        return []
    return [
        Error(
            f"ATOMIC_REQUESTS cannot hold for the async view of the route {readable_route(route)!r} ({_name(view)}).",
            hint="Decorate it with django.db.transaction.non_atomic_requests, or make it a sync view.",
            id="systemlog.E021",
        )
        for route, view in views_below(get_resolver())
        if iscoroutinefunction(view) and atomic - getattr(view, "_non_atomic_requests", set())
    ]


def _is_served(base_url: str) -> bool:
    if not base_url.startswith("/") or not getattr(settings, "ROOT_URLCONF", None):
        return True  # on another host, perhaps, or in a project of workers alone
    try:
        return unwrap(resolve(base_url + "not-found").func) is unwrap(views.detail)
    except Resolver404:
        return False


def _name(view: Any) -> str:
    """The view's name; of one that is wrapped by decorators or partials, the name of the function inside."""
    while isinstance(view, partial):
        view = view.func
    view = unwrap(view)
    view = getattr(view, "view_class", view)
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"
