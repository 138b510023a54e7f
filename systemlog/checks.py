"""System checks: configuration that would fail at run time is named at start-up, with what to do."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections, router

from systemlog.conf import NAME, conf, problems_with

SUPPORTED_VENDORS = ("postgresql", "sqlite")


@register(Tags.compatibility)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E002: `SYSTEMLOG` is a dictionary of known keys with fitting values."""
    given = getattr(settings, NAME, {})
    if not isinstance(given, dict):
        return [Error(f"{NAME} must be a dictionary.", hint=f"Write {NAME} = {{...}}.", id="systemlog.E002")]
    return [
        Error(f"{NAME}[{key!r}] {wrong}.", hint=hint, id="systemlog.E002") for key, wrong, hint in problems_with(given)
    ]


@register(Tags.compatibility)
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E001: the log database is of a known vendor; E003: the alias exists; E004: it is routed."""
    alias = conf().DATABASE
    if alias not in connections:
        return [
            Error(
                f"{NAME}['DATABASE'] names the database alias {alias!r}, which DATABASES does not have.",
                hint="Name one of the aliases of DATABASES, or add this one.",
                id="systemlog.E003",
            )
        ]
    messages: list[CheckMessage] = []
    vendor = connections[alias].vendor
    if vendor == "unknown":
        return []  # no database is configured, which Django says itself
    if vendor not in SUPPORTED_VENDORS:
        messages.append(
            Error(
                f"The system log cannot be stored in {vendor}, the database of alias {alias!r}.",
                hint=f"Point {NAME}['DATABASE'] at a PostgreSQL or SQLite database.",
                id="systemlog.E001",
            )
        )
    from systemlog.models import SystemLog

    if router.db_for_write(SystemLog) != alias:
        messages.append(
            Error(
                f"{NAME}['DATABASE'] is {alias!r}, but no router sends SystemLog there.",
                hint="Add 'systemlog.router.SystemLogRouter' to DATABASE_ROUTERS.",
                id="systemlog.E004",
            )
        )
    return messages
