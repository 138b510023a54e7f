"""What the log store needs of a database: one small interface, one class a vendor behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from django.db.backends.base.base import BaseDatabaseWrapper

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
