"""Reading the setting PROBES. The system checks and the runner get the same description of a wrong entry."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

from django.utils.module_loading import import_string

from health.conf import conf
from health.probes.database import Database

KEYS = {"PROBE", "OPTIONS", "CRITICAL"}


class BadProbe(Exception):
    """An entry of PROBES cannot be used; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class ConfiguredProbe:
    """One entry of PROBES, ready to run."""

    name: str
    run: Callable[[], str | None]
    critical: bool = True

    @property
    def is_database(self) -> bool:
        """Whether the probe counts for `db_ok`."""
        return isinstance(self.run, Database)


def configured_probes() -> list[ConfiguredProbe]:
    """Return the probes of the settings. An entry that cannot be used fails at each run."""
    probes = []
    for name, entry in conf().PROBES.items():
        try:
            probes.append(build(name, entry))
        except BadProbe as error:
            probes.append(ConfiguredProbe(name, functools.partial(_fail, str(error))))
    return probes


def bad_probes() -> Iterator[tuple[str, str]]:
    """Yield the entries that cannot be used: (name, reason)."""
    for name, entry in conf().PROBES.items():
        try:
            build(name, entry)
        except BadProbe as error:
            yield name, str(error)


def build(name: str, entry: object) -> ConfiguredProbe:
    """Return the probe of one entry of PROBES.

    Raises `BadProbe` if the entry has a wrong form, names no callable, or has wrong options.
    """
    form = {"PROBE": entry} if isinstance(entry, str) else entry
    if not isinstance(form, dict) or "PROBE" not in form or (unknown := set(form) - KEYS):
        wrong = (
            f", without {', '.join(sorted(map(str, unknown)))}" if isinstance(form, dict) and "PROBE" in form else ""
        )
        raise BadProbe(f"it must be a dotted path or a dictionary of PROBE, OPTIONS and CRITICAL{wrong}")
    options, critical = form.get("OPTIONS", {}), form.get("CRITICAL", True)
    if not isinstance(options, dict) or not isinstance(critical, bool):
        raise BadProbe("OPTIONS must be a dictionary, CRITICAL True or False")
    try:
        target = import_string(form["PROBE"])
    except (ImportError, AttributeError, TypeError) as error:
        raise BadProbe(f"{form['PROBE']!r} cannot be imported: {error}") from error
    if not callable(target):
        raise BadProbe(f"{form['PROBE']!r} is not callable")
    if not isinstance(target, type):
        return ConfiguredProbe(name, functools.partial(target, **options) if options else target, critical)
    try:
        run = target(**options)
    except Exception as error:
        raise BadProbe(f"{form['PROBE']!r} cannot be built with its OPTIONS: {error}") from error
    if not callable(run):
        raise BadProbe(f"what {form['PROBE']!r} builds is not callable")
    return ConfiguredProbe(name, run, critical)


def _fail(why: str) -> str | None:
    raise BadProbe(why)
