"""What the storage and retention tell each other: the leaves, and what is to be done with one. Pure data."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NamedTuple

from systemlog.storage.calendar import Span


class Partition(NamedTuple):
    """One partition: its table's name, its span, and the bytes of its rows (0: it never had one).

    SQLite's table is one leaf, from its oldest record to its newest.
    """

    name: str
    span: Span
    size_bytes: int


class PartitionState(Enum):
    """Where in its life a leaf is."""

    AHEAD = "ahead"
    """Its span is still to come."""

    LIVE = "live"
    """Its span is now."""

    OPEN = "open"
    """Its span is over; it is not sealed yet."""

    SEALED = "sealed"
    """Its span is over, and it has all its indexes. Late records still find room in it."""

    REWRITTEN = "being rewritten"
    """Retention is copying what stays of it, or was interrupted in that."""

    DETACHING = "detaching"
    """Somebody's DETACH CONCURRENTLY was cancelled. Whoever makes or prunes leaves finishes it."""


class PartitionReport(NamedTuple):
    """What `system_log_partitions` tells of a leaf: `rows` is an estimate, `total_bytes` has its indexes in it."""

    partition: Partition
    rows: int
    total_bytes: int
    state: PartitionState


class Clock(NamedTuple):
    """What the database knows of the time: its own clock, and an instant near which it last was in use, if any."""

    now: datetime
    in_use: datetime | None


class PartitionInUse(Exception):
    """Open transactions held the partition all the time, a backup say. Nothing of it went; prune again later."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Open transactions hold {name}: prune again when they have ended.")
        self.name = name
