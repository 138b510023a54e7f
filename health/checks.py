"""System checks of the setting HEALTH and of MIDDLEWARE: mistakes are reported at start-up instead of at run time."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from health.conf import NAME, conf, problems_with
from health.metrics.collectors import bad_collectors
from health.probes.configuration import bad_probes, configured_probes

MIDDLEWARE = "health.middleware.HealthMiddleware"


@register(Tags.compatibility)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """health.E001: `HEALTH` is a dictionary of known keys with fitting values."""
    given = getattr(settings, NAME, {})
    if not isinstance(given, dict):
        return [Error(f"{NAME} must be a dictionary.", hint=f"Write {NAME} = {{...}}.", id="health.E001")]
    return [
        Error(f"{NAME}[{key!r}] {wrong}.", hint=hint, id="health.E001") for key, wrong, hint in problems_with(given)
    ]


@register(Tags.compatibility)
def check_probes(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """health.E002: every entry of PROBES can be built."""
    if not isinstance(conf().PROBES, dict):
        return []  # E001 says so
    return [
        Error(
            f"{NAME}['PROBES'][{name!r}] is no probe: {why}.",
            hint="Name a callable that returns None or a warning, and raises to fail.",
            id="health.E002",
        )
        for name, why in bad_probes()
    ]


@register(Tags.compatibility)
def check_database_probe(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """health.W007: PROBES replaces the default, and has no probe of a database although the project has databases."""
    probes = conf().PROBES
    if not isinstance(probes, dict) or not any(database.get("ENGINE") for database in settings.DATABASES.values()):
        return []
    if any(probe.is_database for probe in configured_probes()):
        return []
    return [
        CheckWarning(
            f"{NAME}['PROBES'] replaces the default and probes no database: readiness answers `db_ok` even while the "
            "databases are down.",
            hint="Add 'database': 'health.probes.Database', with OPTIONS {'alias': …} for another alias than default.",
            id="health.W007",
        )
    ]


@register(Tags.compatibility)
def check_collectors(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """health.E006: every entry of COLLECTORS names a function."""
    if not isinstance(conf().COLLECTORS, list):
        return []  # E001 says so
    return [
        Error(
            f"{NAME}['COLLECTORS']: {path!r} {why}.",
            hint="Name a callable that takes no arguments and returns metric families of prometheus_client.",
            id="health.E006",
        )
        for path, why in bad_collectors()
    ]


@register(Tags.compatibility)
def check_middleware(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """health.E003: HealthMiddleware is installed. health.E004: no middleware that could refuse a probe is before it."""
    if MIDDLEWARE not in settings.MIDDLEWARE:
        return [
            Error(
                f"{MIDDLEWARE} is not in MIDDLEWARE: no probe would be answered.",
                hint="Put it first, or second after the middleware that sets the correlation id.",
                id="health.E003",
            )
        ]
    before = settings.MIDDLEWARE[: settings.MIDDLEWARE.index(MIDDLEWARE)]
    return [
        Error(
            f"{name} stands before {MIDDLEWARE} in MIDDLEWARE, and could refuse or break a probe.",
            hint="Put the health middleware first, or second after the middleware that sets the correlation id.",
            id="health.E004",
        )
        for name in before
        if name.startswith(("django.", "whitenoise."))
    ]


@register(Tags.compatibility)
def check_may_see(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """health.E005: CAN_SEE_DETAILS names a function."""
    try:
        if callable(import_string(conf().CAN_SEE_DETAILS)):
            return []
        wrong = "is not callable"
    except (ImportError, AttributeError, TypeError) as error:
        wrong = f"cannot be imported: {error}"
    return [
        Error(
            f"{NAME}['CAN_SEE_DETAILS'], {conf().CAN_SEE_DETAILS!r}, {wrong}.",
            hint="Name a function that takes a request and returns True or False.",
            id="health.E005",
        )
    ]
