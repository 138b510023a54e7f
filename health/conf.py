"""The settings of the app, with defaults, documentation and rules.

A project sets `HEALTH = {...}`; keys that it leaves out have the defaults given here. `conf()` returns the values in
force, `problems_with()` the mistakes that the system checks report.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from health.settings_dict import between, in_force, option, problems_in

NAME = "HEALTH"


def _path_rule(value: str) -> str | None:
    fits = re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value)
    return None if fits else "must begin with a slash, end without one, and need no quoting in a URL"


def _token_rule(value: str) -> str | None:
    fits = not value or re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,}", value)
    return None if fits else "must have 16 or more characters of those that a bearer token may have"


def _every_database() -> dict[str, Any]:
    """Return a probe for each database. A database with `TEST["MIRROR"]` is a replica, which takes no writes."""
    return {
        f"database:{alias}": {
            "PROBE": "health.probes.Database",
            "OPTIONS": {"alias": alias, "writable": not database.get("TEST", {}).get("MIRROR")},
        }
        for alias, database in settings.DATABASES.items()
    }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `HEALTH`, with their types and defaults."""

    PATH: str = option("/system-health", "Path below which the endpoints are.", _path_rule)
    PROBES: dict[str, Any] = option(
        _every_database,
        "The readiness probes: for each name the dotted path of a callable, or "
        '`{"PROBE": path, "OPTIONS": {...}, "CRITICAL": True}`. Default: one probe for each database; a database '
        'with `TEST["MIRROR"]` is a replica, which may refuse writes.',
    )
    COLLECTORS: list[str] = option(
        list, "Dotted paths of functions that return metric families of prometheus_client at each scrape."
    )
    DEADLINE_S: float = option(
        0.7,
        "Seconds within which all probes, or all collectors, must have answered. The kubelet's timeout is 1 s.",
        between(0.01, 60),
    )
    CACHE_S: float = option(0.5, "Seconds for which the result of a probe or collector is used again.", between(0, 60))
    VERSION: str = option("", "Version of the service, shown to clients that may see details.")
    TOKEN: str = option(
        "", "Bearer token (16 characters or more) that shows details of the probes. Empty: no token does.", _token_rule
    )
    CAN_SEE_DETAILS: str = option(
        "health.access.has_permission",
        "Dotted path of a function that takes a request and returns whether its user may see details.",
    )
    METRICS_RESTRICTED: bool = option(
        False, "Whether only clients that may see details (the token, or a session) get the metrics."
    )
    DRAIN_FILE: str = option(
        "",
        "Path of the file whose presence makes this instance drain. Default: `draining` in $STATE_DIRECTORY, "
        "or in the directory `var` of BASE_DIR.",
    )
    DRAIN_SECONDS: float = option(
        0.0,
        "Seconds for which gunicorn goes on serving after SIGTERM, while readiness answers 503.",
        between(0, 3600),
    )


@functools.cache
def conf() -> Settings:
    """Return the settings in force. Unknown keys are ignored here; the system checks report them."""
    return in_force(Settings, getattr(settings, NAME, {}))


def problems_with(given: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield the mistakes of a `HEALTH` dictionary: (key, what is wrong, what to do) for each bad key."""
    return problems_in(Settings, given)


def _forget(*, setting: str, **_: object) -> None:
    if setting in (NAME, "DATABASES"):
        conf.cache_clear()


setting_changed.connect(_forget)
