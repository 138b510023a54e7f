"""The part of the PostgreSQL storage that finds the records that have landed since a mark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from systemlog.compat import select_from_function
from systemlog.storage.landed import MARK_LIFETIME_S, Key, Landed, Mark
from systemlog.storage.postgresql import notes
from systemlog.storage.postgresql.partitioned import PartitionedStorage

KIND = "xid"
"""The first value of a mark of this storage."""


class TailingStorage(PartitionedStorage):
    """A storage whose trigger notes what it stores.

    A mark is `[KIND, database, marker, time, snapshot]`. While a page did not hold everything between two snapshots, it
    has further values: the later snapshot with its marker and its time, and the place of the last key of that page (the
    note's number, and the number within the note).
    """

    def present_mark(self) -> Mark:
        """Return the mark of the present snapshot."""
        with self.connection.cursor() as cursor:
            cursor.execute(notes.STATE_SQL)
            return _mark(*cursor.fetchone())

    def landed(self, mark: Mark, most: int) -> Landed | None:
        """Read the notes by one statement, so that they are those of the snapshot in the next mark."""
        if mark[:1] != [KIND]:
            return None
        _, database, marker, began, old, *rest = mark
        later, later_marker, ended, n, place = rest or [None, None, None, 0, 0]
        arguments = {
            "marker": marker,
            "old": unpacked(old),
            "new": unpacked(later) if later else None,
            "n": n,
            "place": place,
            "most": most + 1,
        }
        with self.connection.cursor() as cursor:
            cursor.execute(notes.LANDED_SQL, arguments)
            rows = cursor.fetchall()
        snapshot, now, own_database, newest_marker, is_known, is_later, *_ = rows[0]
        present = _mark(snapshot, now, own_database, newest_marker)
        is_young = -MARK_LIFETIME_S < now - began <= MARK_LIFETIME_S
        if database != present[1] or not is_known or not is_later or not is_young:
            return None
        places = [row[6:8] for row in rows if row[6] is not None]
        keys: list[Key] = [row[8:10] for row in rows if row[6] is not None]
        is_rest = later is not None  # what has landed after the later snapshot comes next
        if not is_rest:
            later, later_marker, ended = present[4], newest_marker, now
        is_cut = len(keys) > most
        last: Mark = [KIND, database, later_marker, ended, later]

        def mark_after(count: int) -> Mark:
            if not is_cut and count == len(keys):
                return last
            n_, place_ = places[count - 1] if count else (n, place)
            return [KIND, database, marker, began, old, later, later_marker, ended, n_, place_]

        return Landed(keys[:most], is_cut or is_rest, mark_after, places[:most])

    def records_of(self, records: QuerySet[Any, Any], landed: Landed, count: int) -> QuerySet[Any, Any]:
        """Query a function that looks each key up in its own partition, and keeps its plan."""
        keys = landed.keys[:count]
        return select_from_function(records, notes.RECORDS_AT, [[at for at, _ in keys], [key for _, key in keys]])

    @contextmanager
    def unnoted(self) -> Iterator[None]:
        """Switch the notes off for a transaction."""
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'off', true)", [notes.SETTING])
            yield
            cursor.execute("SELECT set_config(%s, 'on', true)", [notes.SETTING])

    def forget_notes(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Write a marker, and delete the notes that no mark needs any more, in short transactions."""
        with self.connection.cursor() as cursor:
            cursor.execute(notes.MARK_SQL)
            cursor.execute(notes.OLDEST_NEEDED_SQL)
            if (found := cursor.fetchone()) is None:
                return
            at, snapshot = found
            while not stopping():
                cursor.execute(notes.FORGET_SQL, {"snapshot": snapshot})
                if cursor.rowcount < notes.FORGOTTEN_AT_ONCE:
                    cursor.execute(notes.FORGET_MARKERS_SQL, [at])
                    return


def _mark(snapshot: str, at: float, database: str, marker: str | None) -> Mark:
    return [KIND, hashlib.sha256(database.encode()).hexdigest()[:12], marker, at, packed(snapshot)]


def packed(snapshot: str) -> list[int]:
    """Return a snapshot (`xmin:xmax:xid,xid`) as its first number, and the difference of each other number to that one.

    The differences are small, so that a mark is short even where many transactions are open.
    """
    xmin, xmax, open_ = snapshot.split(":")
    numbers = [int(xmin), int(xmax), *map(int, filter(None, open_.split(",")))]
    return [numbers[0], numbers[1] - numbers[0], *(later - numbers[0] for later in numbers[2:])]


def unpacked(numbers: list[int]) -> str:
    """Return the snapshot that `packed` made these numbers of."""
    xmin, length, *open_ = numbers
    return f"{xmin}:{xmin + length}:{','.join(str(xmin + each) for each in open_)}"
