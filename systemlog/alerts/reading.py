"""Read access to the alerts: their states for the API, the admin, the metrics and the probe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from systemlog.alerts import leases, outbox
from systemlog.alerts.configuration import configuration, interval_s, is_on
from systemlog.alerts.rows import is_silenced
from systemlog.alerts.states import ERROR, INACTIVE
from systemlog.conf import conf
from systemlog.models import Alert, AlertEvaluator

LATE_INTERVALS = 4
LATE_S = 60.0
"""The last evaluation is late if it is older than `LATE_S` and older than `LATE_INTERVALS` intervals."""

DELIVERY_LATE_S = 300.0


class AlertState(NamedTuple):
    """The state of a rule. `state` is `error` if the rule could not be evaluated."""

    rule: str
    state: str
    silenced: bool
    value: int | None
    starts_at: datetime | None
    silenced_until: datetime | None
    error: str


def alert_states() -> list[AlertState]:
    """Return the state of every rule, in the order of the settings. Raises `DatabaseError`."""
    now = datetime.now(UTC)
    rows = {row.rule: row for row in Alert.objects.using(conf().DATABASE).all()}
    return [_state(rows.get(name) or Alert(rule=name), now) for name in configuration().rules]


def state_shown(row: Alert) -> str:
    """Return the state to show for a row: `error` if its rule could not be evaluated, else the state of the rule."""
    return ERROR if row.error else row.state


class Health(NamedTuple):
    """Whether evaluation and delivery keep up."""

    age_s: float | None
    """Seconds since the last evaluation, or None if there was none."""
    duration_s: float
    waiting: int
    oldest_waiting_s: float


def health() -> Health:
    """Return whether evaluation and delivery keep up. Raises `DatabaseError`."""
    now = datetime.now(UTC)
    row = AlertEvaluator.objects.using(conf().DATABASE).filter(pk=leases.ROW).first()
    waiting, oldest = outbox.waiting()
    age = (now - row.evaluated_at).total_seconds() if row and row.evaluated_at else None
    waited_s = (now - oldest).total_seconds() if oldest else 0.0
    return Health(age, row.duration_s if row else 0.0, waiting, max(0.0, waited_s))


def warnings() -> list[str]:
    """Return one text for each problem of the alerts, for the probe. Raises `DatabaseError`."""
    if not is_on():
        return []
    found = health()
    most = max(LATE_S, LATE_INTERVALS * (interval_s() or 0))
    texts = []
    if found.age_s is None or found.age_s > most:
        since = "never were evaluated" if found.age_s is None else f"were last evaluated {found.age_s:.0f} s ago"
        texts.append(f"the alert rules {since}: is a lander at work?")
    if failing := [state.rule for state in alert_states() if state.state == ERROR]:
        texts.append(f"{len(failing)} alert rules cannot be evaluated: see /system/alerts/")
    if found.oldest_waiting_s > DELIVERY_LATE_S:
        texts.append(f"the oldest of {found.waiting} messages about alerts waits for {found.oldest_waiting_s:.0f} s")
    return texts


def _state(row: Alert, now: datetime) -> AlertState:
    active: dict[str, Any] = {"value": row.value, "starts_at": row.starts_at}
    if row.state == INACTIVE:
        active = {"value": None, "starts_at": None}
    silenced = is_silenced(row, now)
    until = row.silenced_until if silenced else None
    return AlertState(row.rule, state_shown(row), silenced, silenced_until=until, error=row.error, **active)
