"""What the log store needs of a database: one small interface, one class a vendor behind it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from systemlog.records.row import Row
from systemlog.storage import rollup
from systemlog.storage.calendar import Span
from systemlog.storage.checkpoints import Checkpoints, Slice
from systemlog.storage.conflicts import OnConflict, StoredRecords, by_key, find
from systemlog.storage.expiry import Expiry
from systemlog.storage.lookups import Lookup
from systemlog.storage.partitions import Clock, Partition, PartitionReport
from systemlog.storage.pruning import Callbacks, Step


class BudgetSpent(Exception):
    """The statement took longer than it was allowed to, and was cancelled."""


class Storage(ABC):
    """The log table on one database connection."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    @abstractmethod
    def ensure_partitions(self, instants: Iterable[datetime]) -> None:
        """Make sure that records of these instants can be inserted, without touching the caller's transaction."""

    @abstractmethod
    def missing_partitions(self, instants: Iterable[datetime]) -> list[datetime]:
        """Which of these instants no record could be inserted at, until `ensure_partitions`."""

    @abstractmethod
    def insert(self, rows: Sequence[Row]) -> int:
        """Store the rows, all or none; a row whose key is there already is skipped. Gives how many were new."""

    @abstractmethod
    def abort_statement(self) -> None:
        """Have the statement fail that another thread waits for on this connection, if that may wait for ever."""

    @abstractmethod
    def land(self, slices: Sequence[Slice], start: int, on_conflict: OnConflict | None = None) -> dict[uuid.UUID, int]:
        """Store the slices' lines and move their segments' checkpoints, all in one transaction, or nothing.

        A slice is left out where the database has its segment at another position than the slice begins at, or another
        lander has it just now. A segment that is new to the database begins at byte `start`. A line whose key is there
        already is skipped; those that say something else than the stored record are given to `on_conflict`, before the
        transaction ends. Gives the positions that hold now; what is missing, another lander has.
        """

    def find_stored(self, keys: Iterable[tuple[datetime, uuid.UUID]]) -> StoredRecords:
        """The stored records that have one of these keys."""
        adapt = self.connection.ops.adapt_datetimefield_value
        native = self.connection.features.has_native_uuid_field
        adapted = [(adapt(timestamp), record_id if native else record_id.hex) for timestamp, record_id in keys]
        with self.connection.cursor() as cursor:
            return by_key(find(self.connection, cursor, adapted))

    def checkpoints(self) -> Checkpoints:
        """How far the journal's segments are in this database."""
        return Checkpoints(self.connection)

    @abstractmethod
    def refuses_rows(self, error: Exception) -> bool:
        """Whether the error says that the database does not take these very rows; else it takes none just now."""

    @abstractmethod
    def spans(self) -> list[Span]:
        """Where in time records may be, newest first; outside there is none."""

    @abstractmethod
    def partition_spans(self) -> list[Span]:
        """The partitions' parts of time, newest first, as they were within the last minute; none where there are none.

        For dividing work alone: a partition may be missing here, or be gone.
        """

    def empty_down_to(self, instant: datetime) -> datetime:
        """From `instant` back to here there is no record: as far as can be told at once."""
        return instant

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """The same query, put to no more than the newest `most` records that the lookup finds; None where that would
        not be faster.
        """
        return None

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """How many records the lookup finds, counted up to `most`; None where a plain count would be as fast."""
        return None

    def counting(self, rows: Iterable[tuple[datetime, str, str, str]]) -> AbstractContextManager[object]:
        """A block that stores these (timestamp, source, category, level) by the ORM: counts them, where the database
        itself does not.
        """
        return nullcontext()

    @abstractmethod
    def compact_rollup(self) -> int:
        """Sum up what writers appended to the roll-up; gives how many rows went, 0 where nothing is left to do."""

    def recount_rollup(self, span: Span) -> None:
        """Count the records of the span's hours anew, beside writers: after its partition was sealed, dropped or
        replaced, which no trigger notices. In the caller's transaction, if there is one.
        """
        rollup.recount(self.connection, span)

    @abstractmethod
    def budget(self) -> AbstractContextManager[Callable[[float], None]]:
        """A block of reading whose statements are cancelled, with `BudgetSpent`, when they take too long.

        Gives a function to call with the seconds that the statements from there on may take. The limit is gone
        after the block, whatever happened in it.
        """

    @abstractmethod
    def partitions(self) -> list[PartitionReport]:
        """The leaves of the table, newest first; on SQLite the table itself is one, if it has records."""

    @abstractmethod
    def clock(self) -> Clock:
        """What the database knows of the time."""

    @abstractmethod
    def exclusive(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """A block that only one process is in; `waiting` is called if another one is. Needed by all of the below.

        Finishes at the start what an interrupted one left. Raises `PartitionInUse`.
        """

    @abstractmethod
    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """What is to be done with a leaf of which, by time alone, something may expire. Changes nothing."""

    @abstractmethod
    def execute(self, step: Step, expiry: Expiry, callbacks: Callbacks) -> int:
        """Do it; gives how many rows went. Raises `PartitionInUse`; then, or interrupted, a later run goes on.

        No insert waits longer than 100 ms meanwhile, and none is lost.
        """

    @abstractmethod
    def archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        """Give `write` the rows of a leaf that are to be archived, as `Callbacks.archive` takes them; none goes."""

    @abstractmethod
    def maintain(self, progress: Callable[[str], None]) -> None:
        """Make leaves ahead, merge old ones while there are too many, seal those whose span is over.

        `progress` is told what comes next. Raises `PartitionInUse`.
        """
