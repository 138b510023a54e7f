"""Which correlation ids are taken over from a client, and how new ones are made."""

from __future__ import annotations

import re
import uuid

MAX_LENGTH = 200

_acceptable = re.compile(r"[A-Za-z0-9._~+/=@:-]{1,200}").fullmatch


def is_acceptable(value: str) -> bool:
    """Whether `value` may become the id of a request: 1 to 200 characters that are safe in headers, URLs and logs."""
    return _acceptable(value) is not None


def new_id() -> str:
    """A new random id: a dashed UUID of 36 characters."""
    return str(uuid.uuid4())
