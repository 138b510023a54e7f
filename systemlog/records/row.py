"""A record as a plain tuple, in the order of the table's columns."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any, NamedTuple

TABLE = "system_logs"


class JSONText(str):
    """A context that is JSON text already, and is stored unchanged."""

    __slots__ = ()


class Row(NamedTuple):
    """One record of `system_logs`. The fields are the columns."""

    timestamp: datetime
    id: uuid.UUID
    level: str
    category: str
    source: str
    message: str
    correlation_id: str | None
    user_id: str | None
    context: dict[str, Any] | JSONText
    trace_id: str | None
    subject: str | None
    recorded_by: str | None


COLUMNS = Row._fields
COLUMN_LIST = ", ".join(COLUMNS)


def context_as_json(context: Any) -> str:
    """Return the JSON text that both databases store for a context."""
    if isinstance(context, JSONText):
        return context
    return json.dumps(context, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
