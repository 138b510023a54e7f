"""Pruning: what is to be done with a partition, and the callbacks of the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from systemlog.records.row import Row
from systemlog.storage.partitions import Partition


class Action(Enum):
    """How rows of a leaf go."""

    NOTHING = "keep"
    DROP = "drop"
    REWRITE = "rewrite"
    DELETE = "delete"


class Step(NamedTuple):
    """What is to be done with a leaf: `expired` of its `rows` go."""

    partition: Partition
    action: Action
    rows: int
    expired: int


class Callbacks(NamedTuple):
    """What retention wants done while rows go.

    `archive` takes the leaf and its rows that are to be archived, as lines of NDJSON, in blocks that end with a line;
    when it returns they are safe. `note` makes the record of so many rows that went, to be stored in the same
    transaction. `progress` is told the rows so far.
    """

    archive: Callable[[Partition, Iterator[bytes]], None] | None
    note: Callable[[int], Row]
    progress: Callable[[int], None]
