"""Whether a record that is sent again is the one that is stored."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from systemlog.models import SystemLog
from systemlog.storage import Row


def repeats(known: SystemLog, row: Row, sent: Collection[str]) -> bool:
    """Whether `row` says the same as the stored record: by the same writer, in each field that was sent."""
    return all(_same(getattr(known, name), getattr(row, name)) for name in (*sent, "recorded_by"))


def _same(stored: Any, sent: Any) -> bool:
    """Whether both are the same value in JSON, of which a database may have changed the spelling: `1e23`, say."""
    if isinstance(stored, dict) and isinstance(sent, dict):
        return stored.keys() == sent.keys() and all(_same(stored[key], sent[key]) for key in stored)
    if isinstance(stored, list) and isinstance(sent, list):
        return len(stored) == len(sent) and all(map(_same, stored, sent))
    if isinstance(stored, bool) or isinstance(sent, bool):
        return stored is sent
    if isinstance(stored, float) or isinstance(sent, float):
        return isinstance(stored, int | float) and isinstance(sent, int | float) and float(stored) == float(sent)
    return bool(stored == sent)
