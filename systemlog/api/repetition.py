"""Whether a record that is sent again is the one that is stored."""

from __future__ import annotations

from collections.abc import Collection

from systemlog.models import SystemLog
from systemlog.records.repetition import is_same
from systemlog.storage import Row


def repeats(known: SystemLog, row: Row, sent: Collection[str]) -> bool:
    """Whether `row` says the same as the stored record: by the same writer, in each field that was sent."""
    return all(is_same(getattr(known, name), getattr(row, name)) for name in (*sent, "recorded_by"))
