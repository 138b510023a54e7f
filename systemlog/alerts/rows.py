"""The rows that hold the states of the rules."""

from __future__ import annotations

from datetime import datetime

from systemlog.alerts.spans import from_us, to_us
from systemlog.alerts.states import State
from systemlog.models import Alert


def is_silenced(row: Alert, now: datetime) -> bool:
    """Whether a rule is silenced."""
    return row.silenced_until is not None and row.silenced_until > now


def state_of(row: Alert) -> State:
    """Return the state that a row holds."""
    times = {
        name: None if (instant := getattr(row, name)) is None else to_us(instant)
        for name in ("starts_at", "ends_at", "fired_at")
    }
    return State(
        name=row.state,
        alert_id=row.alert_id,
        value=row.value,
        threshold=row.threshold,
        is_told=row.told,
        told=tuple((start, end) for start, end in row.spans),
        **times,
    )


def store_failure(row: Alert, text: str, *, commit: bool) -> bool:
    """Return whether it is new for the row that its rule cannot be read, for this reason. With `commit`, store that."""
    if row.error == text:
        return False
    if commit:
        row.error = text
        row.save(update_fields=["error"])
    return True


def store(row: Alert, state: State) -> None:
    """Write a state into its row."""
    row.state, row.alert_id, row.value, row.threshold = state.name, state.alert_id, state.value, state.threshold
    for name in ("starts_at", "ends_at", "fired_at"):
        microseconds = getattr(state, name)
        setattr(row, name, None if microseconds is None else from_us(microseconds))
    row.told, row.spans = state.is_told, [list(span) for span in state.told]
    row.save()
