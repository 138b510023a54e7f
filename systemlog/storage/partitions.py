"""Partitions as data: their name, span, size and state."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NamedTuple

from systemlog.exceptions import SystemLogError
from systemlog.storage.calendar import Span


class Partition(NamedTuple):
    """A partition: the name of its table, its span, and the bytes of its rows (0 if it never had a row).

    On SQLite the table counts as one partition, from its oldest record to its newest.
    """

    name: str
    span: Span
    size_bytes: int


class PartitionState(Enum):
    """The state of a partition."""

    AHEAD = "ahead"
    """Its span begins in the future."""

    LIVE = "live"
    """Its span contains the present."""

    OPEN = "open"
    """Its span is over, and it is not sealed yet."""

    SEALED = "sealed"
    """Its span is over, and it has all its indexes. Late records can still be inserted."""

    REWRITTEN = "being rewritten"
    """Retention is rewriting it, or was interrupted while rewriting it."""

    DETACHING = "detaching"
    """A DETACH CONCURRENTLY was cancelled. The next writer that needs its span, or the next prune, finishes it."""


class PartitionReport(NamedTuple):
    """A row of `system_log_partitions`. `rows` is an estimate, and `total_bytes` includes the indexes."""

    partition: Partition
    rows: int
    total_bytes: int
    state: PartitionState


class Clock(NamedTuple):
    """The time of the database, and about when the database was last in use, if that is known."""

    now: datetime
    last_used: datetime | None


class PartitionInUse(SystemLogError):
    """Open transactions, such as a backup, kept the partition locked. Nothing was deleted; prune again later."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Open transactions hold {name}: prune again when they have ended.")
        self.name = name
