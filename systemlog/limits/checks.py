"""System checks of the rate limits."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from rest_framework.settings import api_settings

from systemlog.conf import NAME, conf
from systemlog.correlation.trusted_proxies import network_of
from systemlog.limits.clients import ANY
from systemlog.limits.guard import limits_directory
from systemlog.limits.policies import mistakes, policies

MIDDLEWARE = ("systemlog.limits.LimitMiddleware", "systemlog.limits.middleware.LimitMiddleware")
ABOVE = ("systemlog.problems.ProblemMiddleware", "health.middleware.HealthMiddleware")
"""Middlewares that must come before: one formats refusals, the other answers probes, which are never limited."""

BELOW = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
"""Middlewares that must come after, because they look users up in a database."""

TABLE = "system_log_limit"


@register(Tags.compatibility)
def check_policies(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E080: every entry of `LIMITS` is a policy, with a name of its own."""
    given = conf().LIMITS
    if not isinstance(given, list):
        return []  # the check of all settings reports the wrong type
    return [
        Error(
            f"{NAME}['LIMITS'][{place}] {wrong}.",
            hint="A policy looks like {'name': 'ip', 'by': 'ip', 'quota': 100, 'window': '1m'}.",
            id="systemlog.E080",
        )
        for place, wrong in mistakes(given)
    ]


@register(Tags.compatibility)
def check_store(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E081: the store of the limits can be created."""
    if not conf().LIMITS:
        return []
    store = conf().LIMITS_STORE
    if store == "shared" and limits_directory() is None:
        return [
            Error(
                "The rate limits have no directory for their file.",
                hint=f"Set {NAME}['LIMITS_DIR'], or BASE_DIR.",
                id="systemlog.E081",
            )
        ]
    if store not in ("shared", "database") and importlib.util.find_spec("redis") is None:
        return [
            Error(
                f"{NAME}['LIMITS_STORE'] names a Redis server, but the package redis is not installed.",
                hint='Install it: pip install "django-ops-platform[redis]".',
                id="systemlog.E081",
            )
        ]
    return []


@register(Tags.database)
def check_table(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """systemlog.E082: the database has the table of the database store."""
    alias = conf().DATABASE
    if not conf().LIMITS or conf().LIMITS_STORE != "database" or alias not in (databases or ()):
        return []
    connection = connections[alias]
    with connection.cursor() as cursor:
        if TABLE in connection.introspection.table_names(cursor):
            return []
    return [
        Error(
            f"{NAME}['LIMITS_STORE'] is 'database', and the database {alias!r} has no table {TABLE}.",
            hint=f"Run manage.py migrate --database={alias}.",
            id="systemlog.E082",
        )
    ]


@register(Tags.compatibility)
def check_installation(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W080: the middleware is installed. W081: it is at its place. W082: the throttle class is installed."""
    return list(_what_is_missing())


@register(Tags.security)
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E083: `TRUSTED_PROXIES` has only addresses and networks; W083: it does not contain `*`."""
    messages: list[CheckMessage] = []
    for proxy in conf().TRUSTED_PROXIES:
        if proxy == ANY:
            if policies().by_address:
                messages.append(
                    checks.Warning(
                        f"{NAME}['TRUSTED_PROXIES'] has '*', so every peer counts as a proxy. A client that reaches "
                        "this server directly can choose the address that it is counted by, with X-Forwarded-For.",
                        hint="Name the addresses or networks of your proxies.",
                        id="systemlog.W083",
                    )
                )
            continue
        try:
            network_of(proxy)
        except ValueError:
            messages.append(
                Error(
                    f"{NAME}['TRUSTED_PROXIES'] names {proxy!r}, which is no address, network, 'unix' or '*'.",
                    hint="Set it to a list of proxies such as ['10.0.0.0/8', 'unix'].",
                    id="systemlog.E083",
                )
            )
    return messages


def _what_is_missing() -> Iterator[CheckMessage]:
    in_force = policies()
    if not (in_force.by_address or in_force.others):
        return
    middlewares = list(settings.MIDDLEWARE)
    places = [middlewares.index(name) for name in MIDDLEWARE if name in middlewares]
    if not places:
        yield checks.Warning(
            "There are rate limits, but the middleware that counts addresses and writes the headers is not installed.",
            hint=f"Add {MIDDLEWARE[0]!r} to MIDDLEWARE, behind ProblemMiddleware.",
            id="systemlog.W080",
        )
    else:
        above, below = middlewares[: places[0]], middlewares[places[0] :]
        if any(name in above for name in BELOW) or any(name in below for name in ABOVE):
            yield checks.Warning(
                f"{MIDDLEWARE[0]} is at the wrong place in MIDDLEWARE, so refused requests cost more than they should.",
                hint="Put it behind HealthMiddleware and ProblemMiddleware, and before sessions and authentication.",
                id="systemlog.W081",
            )
    names = [policy.name for policy in in_force.others]
    throttles: Any = api_settings.DEFAULT_THROTTLE_CLASSES
    if names and not any(map(_is_ours, throttles)):
        yield checks.Warning(
            f"The rate limits {', '.join(names)} are not by address, and no throttle class applies them to all views.",
            hint="Add 'systemlog.limits.LimitThrottle' to REST_FRAMEWORK['DEFAULT_THROTTLE_CLASSES'].",
            id="systemlog.W082",
        )


def _is_ours(throttle: type) -> bool:
    from systemlog.limits.throttle import LimitThrottle

    return issubclass(throttle, LimitThrottle)
