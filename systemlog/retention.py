"""Forgetting: deletes old records, by age, level and category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from systemlog.models import SystemLog
from systemlog.storage import LeavesInUse, storage_of

__all__ = ["LeavesInUse", "count_older", "prune"]


def count_older(before: datetime, *, levels: Sequence[str] = (), categories: Sequence[str] = ()) -> int:
    """How many records `prune` would delete."""
    records = SystemLog.objects.filter(timestamp__lt=before)
    if levels:
        records = records.filter(level__in=levels)
    if categories:
        records = records.filter(category__in=categories)
    return records.count()


def prune(
    before: datetime,
    *,
    levels: Sequence[str] = (),
    categories: Sequence[str] = (),
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Delete the records older than `before`, of these levels and categories if any are named; gives how many.

    May be interrupted and run again, also while records are written. `progress` is told the rows gone so far. Raises
    `LeavesInUse` where open transactions kept partitions from being dropped.
    """
    return storage_of().prune(before, levels=levels, categories=categories, progress=progress)
