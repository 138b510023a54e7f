"""Evaluating the rules about error groups that are new or have come back.

Each event of a group is an alert of its own. It is sent once and never resolved, because the group itself has a state.
The row of the rule holds the id of the last event that was seen. It changes in the same transaction as the outbox.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError

from systemlog.alerts.configuration import late
from systemlog.alerts.readers import Failure
from systemlog.alerts.records import OWN_CATEGORIES
from systemlog.alerts.rows import is_silenced, state_of, store, store_failure
from systemlog.alerts.rules import NewGroup, Rule
from systemlog.alerts.spans import to_us
from systemlog.alerts.states import FIRING, RESOLVED, State, Transition, ended
from systemlog.alerts.telling import CORRELATION_IDS, LOOKED_AT, MOST_SINGLE, Told
from systemlog.conf import conf
from systemlog.groups.news import events_after, last_event_before
from systemlog.models import Alert, Group, GroupEvent, SystemLog
from systemlog.search.parsing.query import Constraint
from systemlog.storage import BudgetSpent, get_storage

NOTED_EVERY = timedelta(seconds=30)
"""How often the time of the evaluation is stored, so that hosts without this rule do not delete its row."""

CORRELATION_S = 0.2
NAMESPACE = uuid.UUID("7c1ff3f1-6c39-4a53-9d0f-5ad2b7f7a9f5")
"""The namespace of the alert ids, which are made from the rule and the event."""


class Happening(NamedTuple):
    """An event of a group, the time at which its alert starts, and the correlation ids of some of its records."""

    event: GroupEvent
    starts_at: int
    correlation_ids: Sequence[str]


@dataclass(slots=True)
class Events:
    """The events that concern a rule, and the id of the last event that was read, 0 if there was none."""

    happenings: list[Happening] = field(default_factory=list)
    last: int = 0


def changes(rules: Iterable[Rule], rows: dict[str, Alert], now: datetime) -> dict[str, GroupChange]:
    """Return the changes of the rules about groups, by rule. Rules whose rows stay the same are left out.

    The first evaluation of a rule includes the events of the last `ALERT_LATE`. Raises `OperationalError` and
    `InterfaceError` if the database cannot be reached.
    """
    of_groups = [rule for rule in rules if isinstance(rule.condition, NewGroup) and rule.name in rows]
    if not of_groups:
        return {}
    found: Events | Failure
    begin = 0
    try:
        last = [rows[rule.name].last_event for rule in of_groups]
        begin = last_event_before(now - late()) if None in last else 0
        found = _read(of_groups, min(begin if each is None else each for each in last))
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError as error:
        found = Failure(f"The database refused it: {type(error).__name__}.")
    made = {rule.name: GroupChange(rule, found, begin, now) for rule in of_groups}
    return {name: change for name, change in made.items() if change.apply(rows[name], commit=False) is not None}


class GroupChange:
    """The change that events make to a rule's row."""

    def __init__(self, rule: Rule, found: Events | Failure, begin: int, now: datetime) -> None:
        self._rule = rule
        self._found = found
        self._begin = begin
        self._now = now
        self._of_alert: dict[uuid.UUID | None, Happening] = {}
        self._before: tuple[dict[str, str], list[str]] = {}, []
        """The labels and receivers of the row before the change."""

    def apply(self, row: Alert, *, commit: bool) -> list[Transition] | None:
        """Return the transitions of a row, or None if nothing changes. With `commit`, the row is stored."""
        rule, found, now = self._rule, self._found, self._now
        if isinstance(found, Failure):
            return [] if store_failure(row, found.text, commit=commit) else None
        before, state, transitions = row.last_event, state_of(row), []
        if before is None and state.name == FIRING:  # the rule of this name was another one
            transitions.append(Transition(RESOLVED, state, is_told=state.is_told))
        if before is None:
            state = State()
        elif state.name == FIRING and to_us(now) >= (state.fired_at or 0) + rule.keep_firing_us:
            state = ended(state)
        after = self._begin if before is None else before
        for happening in found.happenings:
            if happening.event.id > after and concerns(rule, happening.event):
                state = self._fire(state, happening)
                transitions.append(Transition(FIRING, state, is_told=True))
        last = max(after, found.last)
        is_due = row.complete_at is None or now - row.complete_at >= NOTED_EVERY or row.error != ""
        if last == before and state == state_of(row) and not is_due:
            return None
        if commit:
            self._before = row.labels, row.receivers
            row.labels, row.receivers = {}, []  # so that no alert is resolved, or sent again to an Alertmanager
            row.last_event, row.complete_at, row.last_seen, row.error = last, now, None, ""
            store(row, state)
        return transitions

    def _fire(self, state: State, happening: Happening) -> State:
        event, firing = happening.event, state.name == FIRING
        alert_id = uuid.uuid5(NAMESPACE, f"{self._rule.name}\0{event.group_id}\0{event.id}\0{event.at.isoformat()}")
        self._of_alert[alert_id] = happening
        return State(
            name=FIRING,
            alert_id=alert_id,
            starts_at=happening.starts_at,
            ends_at=happening.starts_at,
            fired_at=to_us(self._now),
            value=1 + (state.value or 0 if firing else 0),
            threshold=0,
            is_told=True,
        )

    def told(self, row: Alert, transition: Transition) -> Told:
        """Return a transition with what its message needs. The messages of a silenced rule wait."""
        happening = self._of_alert.get(transition.state.alert_id)
        until = row.silenced_until if is_silenced(row, self._now) else None
        if happening is None:
            labels, receivers = self._before
            return Told(self._rule.name, None, labels, receivers, transition, until)
        return Told(
            name=self._rule.name,
            rule=self._rule,
            labels=dict(self._rule.labels),
            receivers=list(self._rule.to),
            transition=transition,
            not_before=until,
            correlation_ids=happening.correlation_ids,
            group=happening.event.group_id,
            event=happening.event.kind,
        )


def concerns(rule: Rule, event: GroupEvent) -> bool:
    """Whether the filters of a rule accept the group of an event."""
    query = rule.query
    return (
        event.level in query.allowed_levels
        and (not query.categories or _has(event, Constraint("category", query.categories)))
        and query.source in ("", event.source)
        and all(_has(event, each) for each in query.any_of)
        and not any(_has(event, each) for each in query.none_of)
    )


def _has(event: GroupEvent, constraint: Constraint) -> bool:
    has: str = getattr(event, constraint.field)
    if constraint.field != "category":
        return has in constraint.values
    return any(has.startswith(name[:-1]) if name.endswith("*") else has == name for name in constraint.values)


def _read(rules: Sequence[Rule], after: int) -> Events:
    events = events_after(after)
    wanted = [
        event
        for event in events
        if event.category not in OWN_CATEGORIES and any(concerns(rule, event) for rule in rules)
    ]
    first_seen = dict(
        Group.objects.using(conf().DATABASE)
        .filter(id__in={event.group_id for event in wanted})
        .values_list("id", "first_seen")
    )
    requests = _correlation_ids([event.group_id for event in wanted[:MOST_SINGLE]])
    happenings = []
    for event in wanted:
        began = first_seen.get(event.group_id) if event.kind == GroupEvent.Kind.NEW else None
        happenings.append(Happening(event, to_us(began or event.at), requests.get(event.group_id, ())))
    return Events(happenings, events[-1].id if events else 0)


def _correlation_ids(groups: Iterable[str]) -> dict[str, list[str]]:
    """Return correlation ids of the newest records of each group. Groups that are not read in time are left out."""
    found: dict[str, list[str]] = {}
    with suppress(BudgetSpent), get_storage(conf().DATABASE).budget() as allow:
        allow(CORRELATION_S)
        for group in groups:
            records = SystemLog.objects.using(conf().DATABASE).filter(group=group).order_by("-timestamp")
            names = records.values_list("correlation_id", flat=True)[:LOOKED_AT]
            found[group] = list(dict.fromkeys(name for name in names if name))[:CORRELATION_IDS]
    return found
