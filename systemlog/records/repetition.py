"""Comparing a record that was sent again with the stored one: the same writer, with the same values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from systemlog.records.context_json import ContextDecoder
from systemlog.records.copy_text import CONTEXT, LEVEL
from systemlog.records.row import COLUMNS

CORRELATION_ID = COLUMNS.index("correlation_id")


def is_same(stored: Any, sent: Any) -> bool:
    """Whether both are the same JSON value. A database may have changed how a number is written, such as `1e23`."""
    if isinstance(stored, dict) and isinstance(sent, dict):
        return stored.keys() == sent.keys() and all(is_same(stored[key], sent[key]) for key in stored)
    if isinstance(stored, list) and isinstance(sent, list):
        return len(stored) == len(sent) and all(map(is_same, stored, sent))
    if isinstance(stored, bool) or isinstance(sent, bool):
        return stored is sent
    if isinstance(stored, float) or isinstance(sent, float):
        return isinstance(stored, int | float) and isinstance(sent, int | float) and float(stored) == float(sent)
    return bool(stored == sent)


def repeats(stored: Sequence[str | None], sent: Sequence[str | None]) -> bool:
    """Whether the columns `sent`, as strings, are those of the `stored` record with the same key.

    A line does not show which fields its record had, so all columns are compared. A correlation id that is null may
    differ, because a single record without one gets that of its request, and may be sent again in a bulk.
    """
    for column in range(LEVEL, len(COLUMNS)):
        if stored[column] == sent[column] or (column == CORRELATION_ID and sent[column] is None):
            continue
        if column != CONTEXT or not _is_same_context(stored[column] or "", sent[column] or ""):
            return False
    return True


def _is_same_context(stored: str, sent: str) -> bool:
    try:
        return is_same(json.loads(stored, cls=ContextDecoder), json.loads(sent, cls=ContextDecoder))
    except (ValueError, RecursionError):
        return False
