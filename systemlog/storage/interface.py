"""What the log store needs of a database: one small interface, one class a vendor behind it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.storage.landing import Checkpoints, Slice
from systemlog.storage.rows import TABLE, Row
from systemlog.storage.spans import Span

NEWEST_SQL = f"SELECT max(timestamp) FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s"


class BudgetSpent(Exception):
    """The statement took longer than it was allowed to, and was cancelled."""


class LeavesInUse(Exception):
    """Readers held these partitions all the time, a backup say; `deleted` rows of others went. Prune again later."""

    def __init__(self, deleted: int, names: Sequence[str]) -> None:
        super().__init__(f"Open transactions hold {', '.join(names)}: prune again when they have ended.")
        self.deleted = deleted


class Storage(ABC):
    """The log table on one database connection."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    @abstractmethod
    def make_room(self, instants: Iterable[datetime]) -> None:
        """Make sure that records of these instants can be inserted, without touching the caller's transaction."""

    @abstractmethod
    def insert(self, rows: Sequence[Row]) -> int:
        """Store the rows, all or none; a row whose key is there already is skipped. Gives how many were new."""

    @abstractmethod
    def land(self, slices: Sequence[Slice], start: int) -> dict[uuid.UUID, int]:
        """Store the slices' lines and move their segments' checkpoints, all in one transaction, or nothing.

        A slice is left out where the database has its segment at another position than the slice begins at, or another
        lander has it just now. A segment that is new to the database begins at byte `start`. A line whose key is there
        already is skipped. Gives the positions that hold now; what is missing, another lander has.
        """

    def checkpoints(self) -> Checkpoints:
        """How far the journal's segments are in this database."""
        return Checkpoints(self.connection)

    @abstractmethod
    def refuses_rows(self, error: Exception) -> bool:
        """Whether the error says that the database does not take these very rows; else it takes none just now."""

    @abstractmethod
    def spans(self) -> list[Span]:
        """Where in time records may be, newest first; outside there is none."""

    def newest_in(self, span: Span) -> datetime | None:
        """The newest instant of a record within the span; None if there is no record. The key's index answers it."""
        with self.connection.cursor() as cursor:
            adapt = self.connection.ops.adapt_datetimefield_value
            cursor.execute(NEWEST_SQL, [adapt(span.lower), adapt(span.upper)])
            (found,) = cursor.fetchone()
        if isinstance(found, str):  # SQLite's
            found = datetime.fromisoformat(found).replace(tzinfo=self.connection.timezone)
        return found  # type: ignore[no-any-return]  # of the driver

    @abstractmethod
    def budget(self) -> AbstractContextManager[Callable[[float], None]]:
        """A block of reading whose statements are cancelled, with `BudgetSpent`, when they take too long.

        Gives a function to call with the seconds that the statements from there on may take. The limit is gone
        after the block, whatever happened in it.
        """

    @abstractmethod
    def prune(
        self,
        before: datetime,
        *,
        levels: Sequence[str] = (),
        categories: Sequence[str] = (),
        progress: Callable[[int], None] = lambda rows: None,
    ) -> int:
        """Delete the records older than `before`, of these levels and categories if any are named.

        Goes in short transactions that block no insert, and may be interrupted and run again. `progress` is told
        the rows deleted so far. Gives how many rows went. Raises `LeavesInUse` after it has tried everything.
        """
