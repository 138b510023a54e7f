"""The fields of a record, and the limits of their values."""

from __future__ import annotations

import re

MAX_MESSAGE_BYTES = 64 * 1024
MAX_CONTEXT_BYTES = 64 * 1024
MAX_CONTEXT_DEPTH = 20
MAX_TEXT_CHARACTERS = 200

FIELDS = (
    "id",
    "timestamp",
    "level",
    "category",
    "message",
    "correlation_id",
    "user_id",
    "context",
    "trace_id",
    "source",
    "subject",
)
"""The fields that a record from outside may have."""

ALL_FIELDS = (*FIELDS, "recorded_by")
"""The fields that a record and its archive have. The server alone sets `recorded_by`."""

READ_FIELDS = (*ALL_FIELDS, "group")
"""The fields that a record has when it is read. Its group follows from the others."""

unstorable = re.compile("[\x00\ud800-\udfff]")
"""Matches a character that PostgreSQL cannot store: NUL, or a lone surrogate."""
