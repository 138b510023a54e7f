"""Turns transitions into records of the log and messages in the outbox, in the transaction of the caller."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from systemlog.alerts.records import FIRING_CATEGORY, RESOLVED_CATEGORY, matching
from systemlog.alerts.rules import Rule
from systemlog.alerts.spans import from_us
from systemlog.alerts.states import FIRING, RESOLVED, Transition
from systemlog.conf import conf
from systemlog.models import AlertDelivery
from systemlog.recording import record_atomically
from systemlog.records.ids import MICROSECOND
from systemlog.records.times import represent_time

MOST_SINGLE = 10
"""If one evaluation has more transitions than this for one receiver, they are combined in one message."""

CORRELATION_IDS = 10
LOOKED_AT = 200
"""Number of records of the window that are searched for correlation ids."""


@dataclass(frozen=True, slots=True)
class Told:
    """A transition of a rule, with the data for its message. `rule` is None if the settings no longer have the rule."""

    name: str
    rule: Rule | None
    labels: dict[str, str]
    receivers: Sequence[str]
    transition: Transition
    not_before: datetime | None = None
    correlation_ids: Sequence[str] = field(default_factory=tuple)
    group: str = ""
    event: str = ""
    """For a rule about new groups: the id of the group, and `new` or `regressed`. Otherwise empty."""

    def alert(self) -> dict[str, Any]:
        """Return the alert as the receivers get it."""
        state = self.transition.state
        resolved = self.transition.status == RESOLVED
        body: dict[str, Any] = {
            "id": str(state.alert_id),
            "status": self.transition.status,
            "rule": self.name,
            "labels": self.labels,
            "value": state.value,
            "threshold": state.threshold,
            "starts_at": _text(state.starts_at),
            "ends_at": _text(state.ends_at) if resolved else None,
            "correlation_ids": list(self.correlation_ids),
        }
        if self.group:
            body |= {"group": self.group, "event": self.event}
            link = group_link(self.group)
        else:
            link = console_link(self.rule, state.starts_at, state.ends_at) if self.rule else None
        return {**body, "url": link} if link else body


def console_link(rule: Rule, starts_at: int | None, ends_at: int | None) -> str | None:
    """Return the URL of the admin's list of the rule's records, or None if `PUBLIC_URL` is not set."""
    path = _address("admin:systemlog_systemlog_changelist")
    if path is None or starts_at is None:
        return None
    until = max(ends_at or starts_at, starts_at)
    bounds = [("since", _text(starts_at - rule.window_us) or ""), ("until", _text(until) or "")]
    return f"{path}?{urlencode([*rule.parameters, *bounds])}"


def group_link(group_id: str) -> str | None:
    """Return the URL of an error group's page in the admin, or None if `PUBLIC_URL` is not set."""
    return _address("admin:systemlog_group_change", group_id)


def _address(view: str, *arguments: str) -> str | None:
    base = conf().PUBLIC_URL.rstrip("/")
    try:
        return f"{base}{reverse(view, args=arguments)}" if base else None
    except NoReverseMatch:  # the project has no admin
        return None


def find_correlation_ids(rule: Rule, starts_at: int, ends_at: int) -> list[str]:
    """Return correlation ids of the newest records that made a rule fire. Raises `DatabaseError`, `BudgetSpent`."""
    if not rule.counts:
        return []
    records = matching(rule).filter(
        timestamp__gte=from_us(starts_at) - rule.window_us * MICROSECOND, timestamp__lte=from_us(ends_at)
    )
    newest = records.order_by("-timestamp").values_list("correlation_id", flat=True)[:LOOKED_AT]
    return list(dict.fromkeys(name for name in newest if name))[:CORRELATION_IDS]


def tell(changes: Sequence[Told], now: datetime) -> None:
    """Record the transitions, and put their messages into the outbox."""
    by_receiver: dict[str, list[Told]] = defaultdict(list)
    for told in changes:
        if told.transition.is_new:
            _record(told)
        if told.transition.is_told:
            for receiver in told.receivers:
                by_receiver[receiver].append(told)
    deliveries = []
    for receiver, of_receiver in by_receiver.items():
        groups = list(_messages(of_receiver))
        deliveries += [
            AlertDelivery(
                message_id=uuid.uuid4(),
                receiver=receiver,
                rules=list(dict.fromkeys(told.name for told in group)),
                alerts=[told.alert() for told in group],
                created_at=group[0].not_before or now,
                next_at=group[0].not_before or now,
                holds_all=group[0].not_before is None,
            )
            for group in groups
        ]
    AlertDelivery.objects.using(conf().DATABASE).bulk_create(deliveries)


def _messages(changes: Sequence[Told]) -> Iterator[list[Told]]:
    """Yield the transitions of each message. Messages of a silenced rule have no other rule."""
    together: dict[tuple[str, datetime] | None, list[Told]] = {None: []}
    for told in changes:
        key = None if told.not_before is None else (told.name, told.not_before)
        together.setdefault(key, []).append(told)
    for several in together.values():
        if len(several) > MOST_SINGLE:
            yield several
        else:
            yield from ([told] for told in several)


def _record(told: Told) -> None:
    firing = told.transition.status == FIRING
    context = {name: value for name, value in told.alert().items() if name not in ("rule", "status", "correlation_ids")}
    record_atomically(
        FIRING_CATEGORY if firing else RESOLVED_CATEGORY,
        f"The alert {told.name} {'fires' if firing else 'is resolved'}.",
        using=conf().DATABASE,
        level="WARNING" if firing else "INFO",
        subject=f"alert:{told.name}",
        rule=told.name,
        silenced=told.not_before is not None or not told.transition.is_told,
        **context,
    )


def _text(microseconds: int | None) -> str | None:
    return None if microseconds is None else represent_time(from_us(microseconds))


DELETED_AFTER = timedelta(days=7)
"""How long a sent message stays in the outbox, so that an operator can look it up."""
