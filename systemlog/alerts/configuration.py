"""The rules and receivers in force, from the settings and from the file of `ALERTS_FILE`.

`configuration()` leaves out every entry that cannot be used. The system checks report these entries, and `serve` does
not start while there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from systemlog.alerts.fields import Mistake, check_keys, shown
from systemlog.alerts.receivers.sending import Receiver, make_receiver
from systemlog.alerts.rules import Rule, make_rule
from systemlog.conf import NAME, Settings, conf
from systemlog.records.durations import parse_duration
from systemlog.records.strict_json import Malformed, read_json

MAX_FILE_BYTES = 4 * 2**20
MAX_RULES = 1000
FILE_KEYS = ("rules", "receivers")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mistake in the settings or in the file: `text` says what is wrong, `hint` says what to do."""

    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The usable rules and receivers by their names, and the mistakes."""

    rules: dict[str, Rule] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    mistakes: tuple[Wrong, ...] = ()


_read: tuple[Settings | None, Configuration] = (None, Configuration())
"""The settings that were read last, and the configuration made from them."""


def configuration() -> Configuration:
    """Return the rules and receivers of the settings in force. The file is read again only when the settings change."""
    global _read  # noqa: PLW0603  (made again only when the settings change, as in tests)
    settings = conf()
    if settings is not _read[0]:
        _read = (settings, _make(settings))
    return _read[1]


def interval_s() -> float | None:
    """Return the seconds between two evaluations, or None if there are no rules."""
    return _seconds(conf().ALERT_INTERVAL, Settings().ALERT_INTERVAL) if is_on() else None


def is_on() -> bool:
    """Whether the settings have any rules."""
    return bool(conf().ALERTS or conf().ALERTS_FILE)


def late() -> timedelta:
    """Return how late a record may land and still count."""
    return timedelta(seconds=_seconds(conf().ALERT_LATE, Settings().ALERT_LATE))


def _seconds(text: object, default: str) -> float:
    try:
        return parse_duration(str(text)).total_seconds()
    except (ValueError, OverflowError):
        return parse_duration(default).total_seconds()  # the system check of the settings reports the wrong value


def _make(settings: Settings) -> Configuration:
    wrong: list[Wrong] = []
    rules: list[Any] = list(settings.ALERTS) if isinstance(settings.ALERTS, list | tuple) else []
    given = dict(settings.ALERT_RECEIVERS) if isinstance(settings.ALERT_RECEIVERS, Mapping) else {}
    for mistake_or_file in _file(settings.ALERTS_FILE):
        if isinstance(mistake_or_file, Wrong):
            wrong.append(mistake_or_file)
            continue
        more_rules, more_receivers = mistake_or_file
        rules += more_rules
        for name in given.keys() & more_receivers.keys():
            wrong.append(
                Wrong(
                    f"The alert receiver {shown(name)} is both in {NAME}['ALERT_RECEIVERS'] and in the file of "
                    f"{NAME}['ALERTS_FILE'].",
                    "Rename one of them.",
                )
            )
        given = {**more_receivers, **given}
    receivers = dict(_receivers(given, wrong))
    # A rule may name a receiver that is unusable itself. That is one mistake, and is reported for the receiver alone.
    in_force = dict(_rules(rules, list(given), wrong))
    return Configuration(in_force, receivers, tuple(wrong))


def _file(path: str) -> Iterator[Wrong | tuple[list[Any], dict[str, Any]]]:
    """Yield the mistakes in the file, and its rules and receivers."""
    if not path:
        return
    where = f"The file of {NAME}['ALERTS_FILE'], {path!r},"
    hint = 'The file holds {"rules": [...], "receivers": {...}}.'
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            yield Wrong(f"{where} has more than {MAX_FILE_BYTES} bytes.", hint)
            return
        content = read_json(text.decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        yield Wrong(f"{where} cannot be read: {_why(error)}.", hint)
        return
    if not isinstance(content, dict):
        yield Wrong(f"{where} is no object.", hint)
        return
    try:
        check_keys(content, FILE_KEYS)
    except Mistake as mistake:
        yield Wrong(f"{where} has a mistake: {mistake}. {mistake.hint}", mistake.hint)
    rules, receivers = content.get("rules", []), content.get("receivers", {})
    if not isinstance(rules, list):
        yield Wrong(f"{where} has 'rules' that are no list.", hint)
        rules = []
    if not isinstance(receivers, dict):
        yield Wrong(f"{where} has 'receivers' that are no object.", hint)
        receivers = {}
    yield rules, receivers


def _why(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, Malformed) else error
    if isinstance(cause, json.JSONDecodeError):
        return f"it is no JSON (line {cause.lineno}, column {cause.colno}: {cause.msg})"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is no JSON in UTF-8"


def _receivers(given: Mapping[Any, Any], wrong: list[Wrong]) -> Iterator[tuple[str, Receiver]]:
    for name, entry in given.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            wrong.append(Wrong(f"The alert receiver {shown(name)} has a name that is no printable text.", "Rename it."))
            continue
        try:
            yield name, make_receiver(name, entry)
        except Mistake as mistake:
            wrong.append(Wrong(f"The alert receiver {shown(name)}: {mistake}. {mistake.hint}", mistake.hint))


def _rules(given: list[Any], receivers: list[str], wrong: list[Wrong]) -> Iterator[tuple[str, Rule]]:
    if len(given) > MAX_RULES:
        wrong.append(Wrong(f"There are {len(given)} alert rules.", f"At most {MAX_RULES} are evaluated."))
    names: set[str] = set()
    for place, entry in enumerate(given[:MAX_RULES]):
        title = f"The alert rule {shown(entry['name'])}" if _has_name(entry) else f"The alert rule at place {place}"
        if not isinstance(entry, Mapping):
            wrong.append(
                Wrong(f"{title} is no object.", "A rule is an object such as {'name': …, 'more_than': 20, …}.")
            )
            continue
        try:
            rule = make_rule(entry, receivers)
        except Mistake as mistake:
            wrong.append(Wrong(f"{title}: {mistake}. {mistake.hint}", mistake.hint))
            continue
        if rule.name in names:
            wrong.append(Wrong(f"{title}: 'name' is that of another rule.", "Each rule has a name of its own."))
            continue
        names.add(rule.name)
        yield rule.name, rule


def _has_name(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
