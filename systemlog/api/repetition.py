"""Comparing a record that is sent again with the stored one."""

from __future__ import annotations

from collections.abc import Collection

from systemlog.models import SystemLog
from systemlog.records.repetition import is_same
from systemlog.storage import Row


def repeats(known: SystemLog, row: Row, sent: Collection[str]) -> bool:
    """Return whether `row` repeats the stored record: the writer and each field in `sent` have the same value."""
    return all(is_same(getattr(known, name), getattr(row, name)) for name in (*sent, "recorded_by"))
