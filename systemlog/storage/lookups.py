"""Lookups: searches that one index answers."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class By(StrEnum):
    """The index that answers a lookup: an index of a value, or of a level."""

    ID = "id"
    CORRELATION_ID = "correlation_id"
    TRACE_ID = "trace_id"
    SUBJECT = "subject"
    USER_ID = "user_id"
    GROUP = "group"
    CATEGORY = "category"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"
    GRAVE = "ERROR or CRITICAL"
    CRITICAL_OF_CATEGORY = "CRITICAL of a category"


class Lookup(NamedTuple):
    """Records that an index finds, from `since` on, and before (`until`, `before`) in the order `(timestamp, id)`.

    None means that there is no bound.
    """

    by: By
    value: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: uuid.UUID | None = None
