"""One evaluation of all rules: read the log, decide, and write new states with their messages in one transaction.

Reading takes no lock. Writing locks the rows of the rules whose state changes, and decides again from the locked rows.
So a transition is reported exactly once, even if two evaluators run at the same time or one crashes between two steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connections, transaction

from systemlog.alerts import leases, new_groups
from systemlog.alerts.configuration import Configuration, configuration, late
from systemlog.alerts.counting import Reading
from systemlog.alerts.new_groups import GroupChange
from systemlog.alerts.readers import Failure, Known, Reader, read_all
from systemlog.alerts.rows import is_silenced, state_of, store, store_failure
from systemlog.alerts.rules import NewGroup, Rule
from systemlog.alerts.spans import from_us, to_us
from systemlog.alerts.states import FIRING, RESOLVED, State, Timing, Transition, advance
from systemlog.alerts.telling import DELETED_AFTER, Told, find_correlation_ids, tell
from systemlog.conf import conf
from systemlog.journal import backends, read_state
from systemlog.journal.directory import JournalUnusable
from systemlog.models import Alert, AlertDelivery
from systemlog.records.ids import MICROSECOND
from systemlog.storage import BudgetSpent, get_storage

NOTED_EVERY = timedelta(seconds=30)
"""How often the row of a rule records that its look-back was read in full. A restart reads this much more."""

KEPT_FOR = timedelta(days=15)
"""How long reported spans are remembered: longer than the longest `ALERT_LATE` and the longest window."""

FORGOTTEN_AFTER = timedelta(minutes=10)
"""A rule that is no longer in the settings is resolved once no process has evaluated it for this long."""

TIDY_S = 3600.0
CORRELATION_S, CORRELATION_ALL_S = 0.2, 1.0
"""How long the correlation ids of an alert are searched, and those of all alerts of an evaluation."""


@dataclass(slots=True)
class Result:
    """What an evaluation did, for the output of `evaluate_alerts`."""

    rules: int = 0
    firing: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    transitions: int = 0


class Evaluator:
    """Evaluates the rules repeatedly. What it remembers only saves work: the states are in the database."""

    def __init__(self) -> None:
        self._configuration: Configuration | None = None
        self._readers: dict[str, Reader] = {}
        self._tidied_at = float("-inf")

    def evaluate(self, *, in_full: bool = False) -> Result:
        """Evaluate every rule once. With `in_full`, no part of the look-back is left to later evaluations.

        Raises `DatabaseError` and `InterfaceError` if the database is unavailable.
        """
        began = time.monotonic()
        now = datetime.now(UTC)
        config = self._load()
        rows = self._rows(config.rules)
        found = self._read(rows, now, in_full=in_full)
        changes: dict[str, Change | GroupChange] = {
            **self._changes(rows, found, now),
            **new_groups.changes(config.rules.values(), rows, now),
        }
        gone = [] if config.mistakes else _gone(rows, config.rules, now)
        transitions = self._write(changes, gone, now) if changes or gone else []
        self._tidy(now)
        leases.note(now, time.monotonic() - began)
        after = {row.rule: row for row in self._stored(config.rules)}
        return Result(
            rules=len(config.rules),
            firing=[name for name, row in after.items() if row.state == FIRING],
            errors={name: row.error for name, row in after.items() if row.error},
            transitions=len(transitions),
        )

    def _load(self) -> Configuration:
        config = configuration()
        if config is not self._configuration:
            self._configuration = config
            self._readers = {
                name: Reader(rule) for name, rule in config.rules.items() if not isinstance(rule.condition, NewGroup)
            }
        return config

    def _stored(self, names: Iterable[str]) -> list[Alert]:
        return list(Alert.objects.using(conf().DATABASE).filter(rule__in=list(names)))

    def _rows(self, rules: dict[str, Rule]) -> dict[str, Alert]:
        """Return the rows of all rules, including rules that are no longer in the settings."""
        manager = Alert.objects.using(conf().DATABASE)
        rows = {row.rule: row for row in manager.all()}
        if missing := [name for name in rules if name not in rows]:
            manager.bulk_create([Alert(rule=name) for name in missing], ignore_conflicts=True)
            rows = {row.rule: row for row in manager.all()}
        return rows

    def _read(self, rows: dict[str, Alert], now: datetime, *, in_full: bool) -> dict[str, Reading | Failure]:
        known = {
            name: Known(rows[name].complete_at, rows[name].last_seen, state_of(rows[name]).told)
            for name in self._readers
            if name in rows
        }
        readers = [reader for name, reader in self._readers.items() if name in known]
        late_us = late() // MICROSECOND
        silent_now = to_us(now - min(_waiting(), late()))
        return {
            reader.rule.name: reading
            for reader, reading in read_all(
                readers, known, now=to_us(now), silent_now=silent_now, late_us=late_us, in_full=in_full
            )
        }

    def _changes(self, rows: dict[str, Alert], found: dict[str, Reading | Failure], now: datetime) -> dict[str, Change]:
        changes = {}
        search_until = time.monotonic() + CORRELATION_ALL_S
        for name, reading in found.items():
            change = Change(self._readers[name], reading, now)
            transitions = change.apply(rows[name], commit=False)
            if transitions is None:
                continue
            for transition in transitions:
                if time.monotonic() < search_until:
                    change.correlation_ids = _correlation_ids(change.reader.rule, transition)
            changes[name] = change
        return changes

    def _write(self, changes: dict[str, Change | GroupChange], gone: list[str], now: datetime) -> list[Told]:
        told: list[Told] = []
        with transaction.atomic(using=conf().DATABASE):
            _wait_for_disk()
            manager = Alert.objects.using(conf().DATABASE)
            locked = manager.select_for_update().filter(rule__in=[*changes, *gone]).order_by("rule")
            rows = {row.rule: row for row in locked}
            for name, change in changes.items():  # in the order of the settings
                if row := rows.get(name):
                    transitions = change.apply(row, commit=True) or []
                    told += [change.told(row, transition) for transition in transitions]
            for name in gone:
                told += _forget(rows[name]) if name in rows else []
            tell(sorted(told, key=lambda each: each.transition.state.starts_at or 0), now)
        return told

    def _tidy(self, now: datetime) -> None:
        if time.monotonic() - self._tidied_at > TIDY_S:
            self._tidied_at = time.monotonic()
            AlertDelivery.objects.using(conf().DATABASE).filter(done_at__lt=now - DELETED_AFTER).delete()


class Change:
    """What one reading changes in the row of a rule."""

    def __init__(self, reader: Reader, reading: Reading | Failure, now: datetime) -> None:
        self.reader = reader
        self._reading = reading
        self._now = now
        self.correlation_ids: list[str] = []

    def apply(self, row: Alert, *, commit: bool) -> list[Transition] | None:
        """Return the transitions of a row, or None if nothing in the row changes. With `commit`, the row is saved."""
        rule, reading, now = self.reader.rule, self._reading, self._now
        if isinstance(reading, Failure):
            return [] if store_failure(row, reading.text, commit=commit) else None
        changes_kind = row.last_event is not None
        state = State() if changes_kind else state_of(row)
        following, transitions = advance(
            state,
            reading.spans,
            reading.threshold,
            Timing(rule.for_us, rule.keep_firing_us),
            now=to_us(now),
            silenced=is_silenced(row, now),
            oldest=to_us(now - KEPT_FOR),
        )
        due = row.complete_at is None or now - row.complete_at >= NOTED_EVERY or row.error != ""
        due = due and reading.complete_at is not None
        if following == state and not (transitions or due or changes_kind):
            return None
        if commit:
            if reading.complete_at is not None:
                row.complete_at = from_us(reading.complete_at)
            if reading.last_seen is not None:
                row.last_seen = from_us(reading.last_seen)
            if any(transition.status == FIRING for transition in transitions):
                row.labels, row.receivers = dict(rule.labels), list(rule.to)
            row.error, row.last_event = "", None
            store(row, following)
        return transitions

    def told(self, row: Alert, transition: Transition) -> Told:
        """Return a transition together with the data for its message."""
        silenced = is_silenced(row, self._now)
        rule = self.reader.rule
        return Told(
            name=rule.name,
            rule=rule,
            labels=dict(rule.labels),
            receivers=list(rule.to) if transition.status == FIRING else list(row.receivers),
            transition=transition,
            not_before=row.silenced_until if silenced and transition.status == RESOLVED else None,
            correlation_ids=self.correlation_ids,
        )


def _gone(rows: dict[str, Alert], rules: dict[str, Rule], now: datetime) -> list[str]:
    """Return the names of the rules that are no longer in the settings and that no process evaluates."""
    return [
        name
        for name, row in rows.items()
        if name not in rules and (row.complete_at is None or now - row.complete_at > FORGOTTEN_AFTER)
    ]


def _forget(row: Alert) -> list[Told]:
    """Delete the row of a rule that is no longer in the settings, and resolve its alert if it fires."""
    state = state_of(row)
    told = []
    if state.name == FIRING and row.last_event is None:
        transition = Transition(RESOLVED, state, is_told=state.is_told)
        told = [Told(row.rule, None, row.labels, row.receivers, transition)]
    row.delete()
    return told


def _wait_for_disk() -> None:
    """Make the commit wait for the server's disk. Otherwise a crash of the server could report a transition twice."""
    connection = connections[conf().DATABASE]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")


def _correlation_ids(rule: Rule, transition: Transition) -> list[str]:
    state = transition.state
    if state.starts_at is None or state.ends_at is None:
        return []
    with suppress(BudgetSpent), get_storage(conf().DATABASE).budget() as allow:
        allow(CORRELATION_S)
        return find_correlation_ids(rule, state.starts_at, state.ends_at)
    return []


def _waiting() -> timedelta:
    """Return how long the oldest record in this host's journal has waited to land.

    After an outage of the database, records that have not landed yet must not be taken for absent.
    """
    if backends.kind() != "files":
        return timedelta(0)
    try:
        return timedelta(seconds=max(0.0, read_state().oldest_age_s))
    except (JournalUnusable, OSError):
        return timedelta(0)
