"""The roll-up on a Citus cluster. No trigger can maintain it there, so the app counts the records that it writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import transaction
from django.db.backends.utils import CursorWrapper

from systemlog.compat import wrapped_errors
from systemlog.records.row import TABLE
from systemlog.storage import rollup
from systemlog.storage.calendar import Span
from systemlog.storage.postgresql.store import PostgreSQLStorage
from systemlog.storage.rollup import ROLLUP, hour_of

COUNTED = "timestamp, source, category, level"
"""The columns that the roll-up counts by."""

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

Counted = tuple[datetime, str, str, str]


class CountingStorage(PostgreSQLStorage):
    """A storage that counts the records that it writes."""

    @contextmanager
    def counting(self, rows: Iterable[Counted]) -> Iterator[None]:
        """Count the rows in the transaction of the block."""
        rows = list(rows)
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            lock_days_shared(cursor, (timestamp for timestamp, *_ in rows))
            yield
            self._count(rows)

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
