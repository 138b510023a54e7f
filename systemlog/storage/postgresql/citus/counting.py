"""The roll-up on a Citus cluster. No trigger can maintain it there, so the app counts the records that it writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from systemlog.compat import wrapped_errors
from systemlog.records.row import TABLE, Row
from systemlog.storage import rollup
from systemlog.storage.calendar import Span
from systemlog.storage.landed import Key, Landed
from systemlog.storage.postgresql.notes import KEYS_OF_NOTE, NOTES
from systemlog.storage.postgresql.store import PostgreSQLStorage
from systemlog.storage.rollup import ROLLUP, hour_of

STORED = "timestamp, source, category, level, id"
"""The columns that the roll-up counts by, and the id."""

RECOUNTED_SQL = f"""
    SELECT date_trunc('hour', timestamp, 'UTC'), source, category, level, count(*)
    FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s GROUP BY 1, 2, 3, 4
"""

# A transaction does not become visible on all nodes at one instant. A recount therefore takes an exclusive lock of each
# of its days, and a writer a shared one, so that the recount waits for transactions that are not visible everywhere
# yet. A writer takes these locks first, before it holds any lock that another process might wait for.
DAYS_SQL = "SELECT count(pg_advisory_xact_lock{shared}(hashtext(%s), day)) FROM unnest(%s::int[]) day"

DAYS = 4000
"""Number of different day locks. Days this far apart share a lock.

The partition before 1970 has more days than PostgreSQL has room for locks.
"""

PUT_SQL = f"COPY {ROLLUP} (hour, source, category, level, count, delta) FROM STDIN"

NOTE_SQL = f"INSERT INTO {NOTES} (times, ids) VALUES (%s::timestamptz[], %s::uuid[])"

ENDING_SQL = f"""
    SELECT min(n) FROM {NOTES} WHERE n = ANY(%s) AND xid::xid IN (
        SELECT transactionid FROM pg_locks WHERE locktype = 'transactionid' AND granted
    )
"""
"""The first note whose transaction is not committed on every node yet.

A transaction is visible on the coordinator before the workers have committed, and keeps its locks until they have.
"""

Counted = tuple[datetime, str, str, str]
Stored = tuple[datetime, str, str, str, object]


class CountingStorage(PostgreSQLStorage):
    """A storage that counts the records that it writes, and notes that they have landed."""

    _notes = True

    @contextmanager
    def counting(self, rows: Iterable[Row], keys: Callable[[], Iterable[Key]]) -> Iterator[None]:
        """Count and note the rows in the transaction of the block."""
        rows = list(rows)
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            lock_days_shared(cursor, (row.timestamp for row in rows))
            with super().counting(rows, keys):
                yield
            self._count(counted_row(row) for row in rows)
            self._note(keys())

    @contextmanager
    def unnoted(self) -> Iterator[None]:
        """Write no notes in the block."""
        self._notes = False
        try:
            yield
        finally:
            self._notes = True

    def records_of(self, records: QuerySet[Any, Any], landed: Landed, count: int) -> QuerySet[Any, Any]:
        """Query the table by the ids: the nodes plan for their shards each time, so a function saves nothing."""
        times, ids = zip(*landed.keys[:count], strict=True)
        return records.filter(id__in=ids, timestamp__gte=min(times), timestamp__lte=max(times))

    def count_visible(self, landed: Landed) -> int:
        """Stop before the first record whose transaction the workers have not committed yet."""
        numbers = [n for n, _ in landed.source]
        with self.connection.cursor() as cursor:
            cursor.execute(ENDING_SQL, [sorted(set(numbers))])
            (ending,) = cursor.fetchone()
        return len(numbers) if ending is None else numbers.index(ending)

    def recount_rollup(self, span: Span) -> None:
        """Recount while no other transaction writes records of these days."""
        bounds = rollup.whole_hours(span)
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            rollup.lock_rollup(cursor)
            cursor.execute(DAYS_SQL.format(shared=""), [ROLLUP, days_between(*bounds)])
            cursor.execute(RECOUNTED_SQL, bounds)
            counted = cursor.fetchall()
            cursor.execute(f"DELETE FROM {ROLLUP} WHERE hour >= %s AND hour < %s", bounds)
            self._put([(*row, "f") for row in counted])

    def _put(self, rows: Sequence[tuple[object, ...]]) -> None:
        # By COPY, because each INSERT would be a round trip to a worker.
        if rows:
            with self.connection.cursor() as cursor, wrapped_errors(self.connection), cursor.copy(PUT_SQL) as copy:
                for row in rows:
                    copy.write_row(row)

    def _count(self, rows: Iterable[Counted], times: int = 1) -> None:
        counts = Counter((hour_of(timestamp.astimezone(UTC)), *names) for timestamp, *names in rows)
        self._put([(*key, times * count, "t") for key, count in counts.items()])

    def _note(self, keys: Iterable[tuple[object, object]]) -> None:
        """Note that records have landed, as the trigger does on one PostgreSQL."""
        keys = list(keys)
        if self._notes:
            with self.connection.cursor() as cursor:
                for start in range(0, len(keys), KEYS_OF_NOTE):
                    times, ids = zip(*keys[start : start + KEYS_OF_NOTE], strict=True)
                    cursor.execute(NOTE_SQL, [list(times), list(ids)])

    def _count_and_note(self, stored: Iterable[Stored]) -> None:
        stored = list(stored)
        self._count((timestamp, source, category, level) for timestamp, source, category, level, _ in stored)
        self._note((timestamp, key) for timestamp, *_, key in stored)


def counted_row(row: Row) -> Counted:
    """Return the values by which the roll-up counts a row."""
    return row.timestamp, row.source, row.category, row.level


def lock_days_shared(cursor: CursorWrapper, timestamps: Iterable[datetime]) -> None:
    cursor.execute(DAYS_SQL.format(shared="_shared"), [ROLLUP, _locks(map(_day, timestamps))])


def days_between(lower: datetime, upper: datetime) -> list[int]:
    first = _day(lower)
    return _locks(range(first, min(_day(upper) + 1, first + DAYS)))


def _day(instant: datetime) -> int:
    return instant.astimezone(UTC).toordinal()


def _locks(days: Iterable[int]) -> list[int]:
    # In a fixed order, so that two processes cannot deadlock.
    return sorted({day % DAYS for day in days})
