"""Sends a test message to one receiver, at once and without the outbox."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from systemlog.alerts.deliverer import Request
from systemlog.alerts.receivers.message import FIRING, Message
from systemlog.alerts.receivers.sending import Receiver
from systemlog.records.times import represent_time

RULE = "test_receiver"


def try_receiver(receiver: Receiver) -> None:
    """Send a test message, and wait for the outcome. Raises `Undelivered`."""
    now = datetime.now(UTC)
    alert = {
        "id": str(uuid.uuid4()),
        "status": FIRING,
        "rule": RULE,
        "labels": {"test": "true"},
        "value": 1,
        "threshold": 0,
        "starts_at": represent_time(now),
        "ends_at": None,
        "correlation_ids": [],
    }
    Request(receiver, Message(uuid.uuid4(), [alert]), now, None).wait()
