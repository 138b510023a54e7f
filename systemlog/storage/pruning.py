"""Pruning: what is done with a partition, and the callbacks of the caller. Pure data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from systemlog.records.row import Row
from systemlog.storage.calendar import Span
from systemlog.storage.partitions import Partition
from systemlog.storage.witness import Removal


class Action(Enum):
    """How expired rows are removed from a partition."""

    NOTHING = "keep"
    DROP = "drop"
    REWRITE = "rewrite"
    DELETE = "delete"


class Step(NamedTuple):
    """The action for a partition, which removes `expired` of its `rows`."""

    partition: Partition
    action: Action
    rows: int
    expired: int


class Callbacks(NamedTuple):
    """Functions that the storage calls while it removes rows.

    `archive` gets the partition and the rows to archive, as NDJSON in blocks of whole lines; when it returns, the rows
    are archived safely. `removal_record` gets the number of removed rows and the span in which they lie, and returns
    the record about their removal, which is stored in the same transaction. `progress` gets the number of rows removed
    up to now. `removal` watches what is removed.
    """

    archive: Callable[[Partition, Iterator[bytes]], None] | None
    removal_record: Callable[[int, Span], Row]
    progress: Callable[[int], None]
    removal: Removal = Removal()
