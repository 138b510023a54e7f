"""A message: the transitions of one or more alerts, as data for all receivers and as text for people."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FIRING, RESOLVED = "firing", "resolved"
REGRESSED = "regressed"
LISTED = 20
"""A text for people lists at most this many alerts, and says how many more there are."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message. A retry has the same id.

    Each of `alerts` is an object of the webhook contract: `id`, `status`, `rule`, `labels`, `value`, `threshold`,
    `starts_at`, `ends_at`, `correlation_ids`, and `url` if `PUBLIC_URL` is set. An alert about an error group also has
    `group` (its id) and `event` (`new` or `regressed`).
    """

    id: uuid.UUID
    alerts: Sequence[dict[str, Any]]

    @property
    def status(self) -> str:
        """`firing` if any of the alerts fires, else `resolved`."""
        return FIRING if any(alert["status"] == FIRING for alert in self.alerts) else RESOLVED

    @property
    def title(self) -> str:
        """One line that says what happened."""
        if len(self.alerts) == 1:
            return f"[{self.status.upper()}] {self.alerts[0]['rule']}"
        firing = sum(alert["status"] == FIRING for alert in self.alerts)
        return f"[{self.status.upper()}] {firing} alerts firing, {len(self.alerts) - firing} resolved"

    def lines(self) -> list[str]:
        """Return a line for each alert."""
        listed = [line_of(alert) for alert in self.alerts[:LISTED]]
        rest = len(self.alerts) - len(listed)
        return [*listed, f"and {rest} more"] if rest else listed


def line_of(alert: dict[str, Any]) -> str:
    """Return the line that describes an alert. The line has no text from a record."""
    ended = f" to {alert['ends_at']}" if alert["ends_at"] else ""
    what = f"value {alert['value']}, threshold {alert['threshold']}"
    if alert.get("group"):
        what = f"error group {alert['group']} {'has come back' if alert['event'] == REGRESSED else 'is new'}"
    labels = ", ".join(f"{name}={value}" for name, value in alert["labels"].items())
    return f"{alert['status']}: {alert['rule']} ({what}) from {alert['starts_at']}{ended}" + (
        f" [{labels}]" if labels else ""
    )


def body_of(message: Message) -> dict[str, Any]:
    """Return the body of a webhook: the alert itself, or an object with the list if the message has several alerts."""
    if len(message.alerts) == 1:
        return message.alerts[0]
    return {"id": str(message.id), "status": message.status, "rule": None, "alerts": list(message.alerts)}
