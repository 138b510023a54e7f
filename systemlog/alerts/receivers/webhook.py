"""Sends messages to webhooks by the Standard Webhooks specification. They are signed if the receiver has a secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime

from systemlog.alerts.receivers.http import post
from systemlog.alerts.receivers.message import Message, body_of

PREFIX = "whsec_"
MIN_KEY_BYTES, MAX_KEY_BYTES = 8, 512


def read_secret(secret: object) -> bytes | None:
    """Return the key in a secret `whsec_…`, or None if the secret is malformed.

    The specification recommends 24 to 64 bytes.
    """
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES else None


def sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the value of the header `webhook-signature`."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def send(address: str, key: bytes | None, message: Message, now: datetime) -> None:
    """Send a message. A retry has the same id and body. Raises `Undelivered`."""
    body = json.dumps(body_of(message)).encode()
    timestamp = str(int(now.timestamp()))
    headers = {"Content-Type": "application/json", "webhook-id": str(message.id), "webhook-timestamp": timestamp}
    if key is not None:
        headers["webhook-signature"] = sign(key, str(message.id), timestamp, body)
    post(address, body, headers)
