"""Every setting of the app: its default, its meaning and its rule, in one place.

A project sets `HEALTH = {...}`; what it leaves out has the default given here. `conf()` gives the values in
force; `problems_with()` is what the system checks say about a bad one.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

from django.conf import settings
from django.core.signals import setting_changed

NAME = "HEALTH"

Rule = Callable[[Any], str | None]
"""Takes a value of the right type; says what is wrong with it, or None."""


def option(default: Any, doc: str, rule: Rule | None = None) -> Any:
    """A field of `Settings`: its default, what it means, and what else than its type must hold."""
    metadata = {"doc": doc, "rule": rule}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def between(minimum: float, maximum: float) -> Rule:
    """A rule: the number is in the range, ends included."""
    return lambda value: None if minimum <= value <= maximum else f"must be between {minimum} and {maximum}"


def _path_rule(value: str) -> str | None:
    fits = re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value)
    return None if fits else "must begin with a slash, end without one, and need no quoting in a URL"


def _token_rule(value: str) -> str | None:
    fits = not value or re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,}", value)
    return None if fits else "must have 16 or more characters of those that a bearer token may have"


def _every_database() -> dict[str, Any]:
    """Probes of all databases. One that mirrors another in tests is a replica, which takes no writes."""
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

    PATH: str = option("/system-health", "Where the endpoints are.", _path_rule)
    PROBES: dict[str, Any] = option(
        _every_database,
        "The readiness checks: a name for each, and the dotted path of a callable, or "
        '`{"PROBE": path, "OPTIONS": {...}, "CRITICAL": True}`. By default the databases, each by itself; one '
        'with `TEST["MIRROR"]` is a replica, which need take no writes.',
    )
    COLLECTORS: list[str] = option(
        list, "Dotted paths of functions that give metrics when they are asked for, as prometheus_client's families."
    )
    DEADLINE_S: float = option(
        0.7,
        "Seconds within which all probes, or all collectors, must have answered; the kubelet waits for 1.",
        between(0.01, 60),
    )
    CACHE_S: float = option(0.5, "Seconds for which the result of a probe or collector is good.", between(0, 60))
    VERSION: str = option("", "The version of the service, for those who may see details.")
    TOKEN: str = option("", "A bearer token that shows details of the probes; empty: there is none.", _token_rule)
    CAN_SEE_DETAILS: str = option(
        "health.access.has_permission",
        "Dotted path of a function that takes a request and says whether its user may see details.",
    )
    METRICS_RESTRICTED: bool = option(False, "Whether the metrics are only for those who may see details.")
    DRAIN_FILE: str = option(
        "",
        "The file that says that this instance is draining. By default `draining` in $STATE_DIRECTORY, "
        "or in the folder `var` of BASE_DIR.",
    )
    DRAIN_SECONDS: float = option(
        0.0,
        "Seconds for which gunicorn goes on serving after SIGTERM, while readiness answers 503.",
        between(0, 3600),
    )


@functools.cache
def conf() -> Settings:
    """The settings in force. Unknown or ill-typed keys are the system checks' business, and ignored here."""
    return Settings(**{name: value for name, value in _given().items() if name in _types()})


def problems_with(given: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a `HEALTH` dictionary: (key, what is wrong, what to do), one for each bad key."""
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    for name, value in given.items():
        if name not in fields:
            near = difflib.get_close_matches(str(name).upper(), fields, n=1)
            yield name, "is not a setting", f"Did you mean {near[0]!r}?" if near else "Remove it."
            continue
        hint = f"See {name} in the documentation: {fields[name].metadata['doc']}"
        wanted = _types()[name]
        if not _fits(value, wanted):
            yield name, f"must be of type {getattr(wanted, '__name__', wanted)}", hint
        elif (rule := fields[name].metadata["rule"]) and (wrong := rule(value)):
            yield name, wrong, hint


def _given() -> Mapping[str, Any]:
    given = getattr(settings, NAME, {})
    return given if isinstance(given, Mapping) else {}


@functools.cache
def _types() -> dict[str, Any]:
    return get_type_hints(Settings)


def _fits(value: object, wanted: Any) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, getattr(wanted, "__origin__", wanted))


def _forget(*, setting: str, **_: object) -> None:
    if setting in (NAME, "DATABASES"):
        conf.cache_clear()


setting_changed.connect(_forget)
