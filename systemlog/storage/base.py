"""The interface of a storage. Each database vendor has a class that implements it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from systemlog.exceptions import SystemLogError
from systemlog.records.copy_text import instants, keys_of
from systemlog.records.row import Row
from systemlog.storage import rollup
from systemlog.storage.calendar import Span
from systemlog.storage.checkpoints import Checkpoints, Slice
from systemlog.storage.conflicts import OnConflict, StoredRecords, by_key, find
from systemlog.storage.expiry import Expiry
from systemlog.storage.landed import Key, Landed, Mark
from systemlog.storage.lookups import Lookup
from systemlog.storage.partitions import Clock, Partition, PartitionReport
from systemlog.storage.pruning import Callbacks, Step
from systemlog.storage.witness import Keys, get_witness


class BudgetSpent(SystemLogError):
    """The database cancelled a statement because its time limit had passed."""


class Storage(ABC):
    """The log table on one database connection."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    @abstractmethod
    def ensure_partitions(self, instants: Iterable[datetime]) -> None:
        """Create the partitions that records of these instants need, outside the caller's transaction."""

    @abstractmethod
    def missing_partitions(self, instants: Iterable[datetime]) -> list[datetime]:
        """Return the instants that have no partition yet. Inserting a record of such an instant would fail."""

    @abstractmethod
    def insert(self, rows: Sequence[Row]) -> int:
        """Insert all rows or none, and return how many were new. A row whose key is already stored is skipped."""

    @abstractmethod
    def abort_statement(self) -> None:
        """Make the statement that another thread is running on this connection fail, if it could wait without end."""

    @abstractmethod
    def land(self, slices: Sequence[Slice], start: int, on_conflict: OnConflict | None = None) -> dict[uuid.UUID, int]:
        """Store the lines of the slices, and move the checkpoints of their segments, in one transaction.

        A slice is skipped if its segment's checkpoint is not at the start of the slice, or if another lander has locked
        the checkpoint. The checkpoint of a segment that the database does not know yet is created at byte `start`.

        A line whose key is already stored is skipped. If its content differs from the stored record, it is passed to
        `on_conflict` before the transaction ends.

        Return the position of each segment after the transaction. A segment that another lander has locked is missing.
        """

    def find_stored(self, keys: Iterable[tuple[datetime, uuid.UUID]]) -> StoredRecords:
        """Return the stored records that have one of these keys."""
        adapt = self.connection.ops.adapt_datetimefield_value
        native = self.connection.features.has_native_uuid_field
        adapted = [(adapt(timestamp), record_id if native else record_id.hex) for timestamp, record_id in keys]
        with self.connection.cursor() as cursor:
            return by_key(find(self.connection, cursor, adapted))

    def insert_durably(self, rows: Sequence[Row]) -> int:
        """Insert like `insert`, outside a transaction of the caller, and return when the rows are on the disk.

        For rows whose source is deleted next. Other commits need not wait for the disk.
        """
        return self.insert(rows)

    def checkpoints(self) -> Checkpoints:
        """Return the checkpoints of the journal's segments in this database."""
        return Checkpoints(self.connection)

    @abstractmethod
    def refuses_rows(self, error: Exception) -> bool:
        """Whether the database refused the content of these rows. Otherwise it cannot store any row at the moment."""

    @abstractmethod
    def spans(self) -> list[Span]:
        """Return the spans of time that may contain records, newest first. Outside them there is no record."""

    @abstractmethod
    def partition_spans(self) -> list[Span]:
        """Return the spans of the partitions, newest first, from a cache that is at most a minute old.

        The list is empty where the table has no partitions. Use it to divide work only, because a new partition may be
        missing, and a dropped one may still be in it.
        """

    def empty_down_to(self, instant: datetime) -> datetime:
        """Return an instant between which and `instant` there is no record, as early as can be found quickly."""
        return instant

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """Return the same query on the newest `most` records that the lookup finds.

        Return None where the plain query is as fast.
        """
        return None

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """Count the records that the lookup finds, up to `most`. Return None where a plain count is as fast."""
        return None

    def counting(self, rows: Iterable[Row], keys: Callable[[], Iterable[Key]]) -> AbstractContextManager[object]:
        """Return a context manager for a block in which the ORM inserts these records.

        It adds them to the roll-up and to their error groups, and notes that they have landed, where no trigger does.
        `keys` is called after the block.
        """
        return nullcontext()

    def noting(self, hours: Callable[[], Iterable[datetime]], keys: Keys) -> AbstractContextManager[object]:
        """Return a context manager for a block that stores records of these hours, which the witness then notes."""
        return get_witness().noting(self.connection, hours, keys)

    def noting_rows(self, rows: Sequence[Row]) -> AbstractContextManager[object]:
        """Do the same as `noting`, for the hours and keys of rows."""
        return self.noting(
            lambda: {row.timestamp for row in rows}, lambda fits: [row[:2] for row in rows if fits(row.timestamp)]
        )

    def noting_lines(self, lines: Sequence[bytes]) -> AbstractContextManager[object]:
        """Do the same as `noting`, for the hours and keys of lines of the journal."""
        return self.noting(lambda: instants(lines), lambda fits: keys_of(lines, fits))

    @abstractmethod
    def compact_rollup(self) -> int:
        """Sum up the rows that writers appended to the roll-up. Return how many rows were removed, 0 when done."""

    def recount_rollup(self, span: Span) -> None:
        """Count the records of the span's hours again, in the caller's transaction if there is one.

        Needed after a partition was sealed, dropped or rewritten, because triggers do not see that. Writers are not
        blocked.
        """
        rollup.recount(self.connection, span)

    @abstractmethod
    def budget(self) -> AbstractContextManager[Callable[[float], None]]:
        """Return a context manager for reading with a time limit, which raises `BudgetSpent`.

        Its value is a function that sets how many seconds each later statement of the block may take. The limit always
        ends with the block.
        """

    @abstractmethod
    def present_mark(self) -> Mark:
        """Return the mark behind everything that has landed up to now."""

    @abstractmethod
    def landed(self, mark: Mark, most: int) -> Landed | None:
        """Return the keys of up to `most` records that became visible since the mark, each once.

        Return None if the mark is too old, or is not of this database.
        """

    @abstractmethod
    def records_of(self, records: QuerySet[Any, Any], landed: Landed, count: int) -> QuerySet[Any, Any]:
        """Return the same query on the first `count` of the landed records."""

    def count_visible(self, landed: Landed) -> int:
        """Return how many of the landed keys come before the first whose record is not visible on every node yet."""
        return len(landed.keys)

    def unnoted(self) -> AbstractContextManager[object]:
        """Return a context manager for a transaction whose records no tail shows, where the database can do that."""
        return nullcontext()

    def forget_notes(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Delete what the database has noted about landed records for marks that are too old by now.

        Call it each minute. Returns early if `stopping` returns True.
        """
        return

    @abstractmethod
    def partitions(self) -> list[PartitionReport]:
        """Return the partitions, newest first. On SQLite the table itself is the only one, if it has records."""

    @abstractmethod
    def clock(self) -> Clock:
        """Return the time of the database, and when the database was last in use."""

    @abstractmethod
    def exclusive(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context manager for a block that one process at a time can enter; the methods below require it.

        `waiting` is called if another process is in the block. On entry, the leftovers of an interrupted run are
        removed. Raises `PartitionInUse`.
        """

    @abstractmethod
    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """Decide what to do with a partition that may contain expired records. Nothing is changed."""

    @abstractmethod
    def execute(self, step: Step, expiry: Expiry, callbacks: Callbacks) -> int:
        """Carry out the step, and return how many rows were removed.

        No insert waits longer than 100 ms meanwhile, and none is lost. Raises `PartitionInUse`; a later run continues
        then, and also after an interruption.
        """

    @abstractmethod
    def archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        """Pass the partition's rows that must be archived to `write`, as to `Callbacks.archive`. Delete nothing."""

    @abstractmethod
    def maintain(self, progress: Callable[[str], None]) -> None:
        """Create the partitions of the days ahead, merge old ones if there are too many, seal those that are over.

        `progress` is called with a description of each action before it begins. Raises `PartitionInUse`.
        """
