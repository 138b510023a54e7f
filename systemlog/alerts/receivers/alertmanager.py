"""Sends messages to Prometheus Alertmanager, by version 2 of its API.

Alertmanager identifies an alert by its labels alone, so the value of an alert is an annotation and no label.
Alertmanager takes an alert for resolved that is not sent again before its `endsAt`, so each firing alert is sent every
`RESEND_S`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from systemlog.alerts.receivers.http import post
from systemlog.alerts.receivers.message import FIRING, Message, line_of
from systemlog.records.times import represent_time

PATH = "/api/v2/alerts"
RESEND_S = 30.0
LASTS = timedelta(seconds=4 * RESEND_S)
"""How long Alertmanager takes an alert for firing after a message. So up to three messages in a row may be lost."""


def send(address: str, message: Message, now: datetime) -> None:
    """Send all alerts of a message in one request. Raises `Undelivered`."""
    url = address if address.endswith(PATH) else address.rstrip("/") + PATH
    body = [_alert(alert, now) for alert in message.alerts]
    post(url, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _group(alert: dict[str, Any]) -> dict[str, str]:
    """Return the label that keeps the alerts of a rule about new error groups apart."""
    return {"group": alert["group"]} if alert.get("group") else {}


def _alert(alert: dict[str, Any], now: datetime) -> dict[str, Any]:
    firing = alert["status"] == FIRING
    body = {
        "labels": {**alert["labels"], "alertname": alert["rule"], **_group(alert)},
        "annotations": {
            "summary": line_of(alert),
            "value": str(alert["value"]),
            "threshold": str(alert["threshold"]),
        },
        "startsAt": min(alert["starts_at"], represent_time(now)),
        "endsAt": represent_time(now + LASTS if firing else now),
    }
    return {**body, "generatorURL": alert["url"]} if alert.get("url") else body
