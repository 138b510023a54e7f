"""What the log store needs of a database: one small interface, one class a vendor behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.storage import rollup
from systemlog.storage.rows import Row
from systemlog.storage.spans import Span


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
    def spans(self) -> list[Span]:
        """Where in time records may be, newest first; outside there is none."""

    @abstractmethod
    def leaf_spans(self) -> list[Span]:
        """The partitions' parts of time, newest first, as they were within the last minute; none where there are none.

        For dividing work alone: a partition may be missing here, or be gone.
        """

    counts_itself = True
    """Whether triggers keep the roll-up. A cluster has none on distributed tables: its writers call `add_to_rollup`."""

    def add_to_rollup(self, counts: Mapping[tuple[datetime, str, str, str], int]) -> None:
        """Add rows (hour, source, category, level -> how many) to the roll-up, where the database itself does not.

        To be called in the transaction that writes the rows.
        """
        if not self.counts_itself:
            rollup.add(self.connection, counts)

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
