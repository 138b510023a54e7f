"""The part of the SQLite storage that finds the records that have landed since a mark."""

from __future__ import annotations

import time
import uuid
from typing import Any

from django.db.models import QuerySet

from systemlog.compat import select_from
from systemlog.records.row import TABLE
from systemlog.storage.base import Storage
from systemlog.storage.landed import MARK_LIFETIME_S, Landed, Mark

KIND = "rowid"
"""The first value of a mark of this storage."""

# One statement, so that both rows are of one snapshot.
LANDED_SQL = f"""
    SELECT rowid, timestamp, id FROM {TABLE} WHERE rowid = %s
    UNION ALL SELECT * FROM (SELECT rowid, timestamp, id FROM {TABLE} WHERE rowid > %s ORDER BY rowid LIMIT %s)
"""
NEWEST_SQL = f"SELECT rowid, id FROM {TABLE} ORDER BY rowid DESC LIMIT 1"

# With LIMIT, SQLite answers the inner query by itself, by rowid. Else it might prefer an index for the outer filters.
ROWS_SQL = f"(SELECT * FROM {TABLE} WHERE rowid > %s AND rowid <= %s ORDER BY rowid LIMIT -1)"


class TailingStorage(Storage):
    """A storage with one writer at a time, so that the numbers of its rows are in the order of their commits.

    A mark is `[KIND, time, rowid, id]`. VACUUM may number the rows anew, and a deleted row's number may be used again.
    The id shows whether the number still belongs to the same row.
    """

    def present_mark(self) -> Mark:
        """Return the mark of the row that was stored last."""
        with self.connection.cursor() as cursor:
            cursor.execute(NEWEST_SQL)
            row, key = cursor.fetchone() or (0, "")
        return [KIND, time.time(), row, key]

    def landed(self, mark: Mark, most: int) -> Landed | None:
        """Read the rows with higher numbers."""
        if mark[:1] != [KIND]:
            return None
        _, began, after, known = mark
        if not -MARK_LIFETIME_S < time.time() - began <= MARK_LIFETIME_S:
            return None
        now = time.time()
        with self.connection.cursor() as cursor:
            cursor.execute(LANDED_SQL, [after, after, most + 1])
            rows = cursor.fetchall()
        if after:
            if not rows or rows[0][0] != after or rows[0][2] != known:
                return None
            rows = rows[1:]
        more, rows = len(rows) > most, rows[:most]
        zone = self.connection.timezone

        def mark_after(count: int) -> Mark:
            row, key = (rows[count - 1][0], rows[count - 1][2]) if count else (after, known)
            return [KIND, now, row, key]

        keys = [(at.replace(tzinfo=zone), uuid.UUID(key)) for _, at, key in rows]
        return Landed(keys, more, mark_after, (after, [row for row, _, _ in rows]))

    def records_of(self, records: QuerySet[Any, Any], landed: Landed, count: int) -> QuerySet[Any, Any]:
        """Query the rows of these numbers."""
        after, numbers = landed.source
        return select_from(records, ROWS_SQL, [after, numbers[count - 1]])
