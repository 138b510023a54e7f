"""The log table on PostgreSQL: leaves, COPY, statement timeouts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.backends.utils import CursorWrapper

from systemlog.storage import leaves, rollup
from systemlog.storage.interface import BudgetSpent, LeavesInUse, Storage
from systemlog.storage.rows import COLUMNS, TABLE, Row, context_as_json
from systemlog.storage.spans import Span

COPY_FROM_ROWS = 20
"""As many rows go by COPY; fewer are faster as one INSERT."""

PRUNE_BATCH = 5000
DETACH_TRIES = 50
DETACH_PAUSE_S = 0.1

SETTLED = timedelta(days=1)
"""Leaves of the last day and of the future are never dropped, so that this process may remember them."""

UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"

COLUMN_LIST = ", ".join(COLUMNS)
COPY_SQL = f"COPY {{table}} ({COLUMN_LIST}) FROM STDIN"
INSERT_SQL = f"INSERT INTO {TABLE} ({COLUMN_LIST}) VALUES {{values}} ON CONFLICT (timestamp, id) DO NOTHING"
STAGE = f"{TABLE}_stage"
STAGE_SQL = f"CREATE TEMPORARY TABLE IF NOT EXISTS {STAGE} (LIKE {TABLE}) ON COMMIT DELETE ROWS"
UNSTAGE_SQL = (
    f"INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM {STAGE} ON CONFLICT (timestamp, id) DO NOTHING"
)
PRUNE_SQL = f"""
    DELETE FROM {TABLE} USING (
        SELECT timestamp AS at, id AS key FROM {TABLE} WHERE {{condition}} ORDER BY timestamp LIMIT {PRUNE_BATCH}
    ) old
    WHERE timestamp = old.at AND id = old.key AND timestamp < %s
"""

_seen: dict[tuple[str, str], tuple[float, list[Span]]] = {}
"""The same for readers, to whom it does not matter if a leaf is missing here: when it was read, and the spans."""

SEEN_FOR_S = 60

# A search gets no second core, and no compiler: for a page of a partitioned table both take longer than they spare.
LIMITS = ("statement_timeout", "jit", "max_parallel_workers_per_gather")
LIMITS_SQL = "SELECT " + ", ".join(f"current_setting('{name}')" for name in LIMITS)
LIMIT_SQL = "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in LIMITS)

_remembered: dict[tuple[str, str], list[Span]] = {}
"""The spans of the leaves of a database (alias, name), as last read by this process."""


class PostgreSQLStorage(Storage):
    """The partitioned table."""

    def make_room(self, instants: Iterable[datetime]) -> None:
        """Make the leaves that are missing, in a connection and transaction of their own."""
        now = datetime.now(UTC)
        wanted = set(instants)
        if any(instant > now - SETTLED for instant in wanted):
            wanted.add(now + SETTLED)  # tomorrow's leaf is made today, by whoever writes
        recent = self._remembered_spans()
        missing = [instant for instant in wanted if not any(instant in span for span in recent)]
        if not missing:
            return
        with self.connection.cursor() as cursor:
            spans = [leaf.span for leaf in leaves.read_leaves(cursor)]
        missing = [instant for instant in missing if not any(instant in span for span in spans)]
        if missing:
            spans = self._make(missing)
        _remembered[self._database()] = spans

    def insert(self, rows: Sequence[Row]) -> int:
        """COPY; where a key is there already, once more through a staging table that skips it."""
        rows = sorted(rows, key=lambda row: row[:2])  # in one order, so that two writers of the same keys queue
        self.make_room({row.timestamp for row in rows})
        for attempt in (1, 2):
            try:
                return self._insert(rows)
            except IntegrityError as error:
                if _sqlstate(error) != CHECK_VIOLATION or attempt == 2 or self.connection.in_atomic_block:
                    raise
                # A leaf that this process remembered was dropped since.
                _remembered.pop(self._database(), None)
                self.make_room({row.timestamp for row in rows})
        raise AssertionError("unreachable")

    def spans(self) -> list[Span]:
        """The leaves that ever held a row."""
        with self.connection.cursor() as cursor:
            return [leaf.span for leaf in leaves.read_leaves(cursor) if leaf.size_bytes]

    def leaf_spans(self) -> list[Span]:
        """As this process has read them last, if that is not long ago."""
        read_at, spans = _seen.get(self._database(), (-float("inf"), []))
        if time.monotonic() - read_at > SEEN_FOR_S:
            with self.connection.cursor() as cursor:
                spans = [leaf.span for leaf in leaves.read_leaves(cursor)]
            _seen[self._database()] = time.monotonic(), spans
        return spans

    def compact_rollup(self) -> int:
        """One statement that blocks no writer."""
        return rollup.compact(self.connection)

    @contextmanager
    def budget(self) -> Iterator[Callable[[float], None]]:
        """`statement_timeout`, for this transaction alone; the caller's values come back."""
        inside = self.connection.in_atomic_block
        try:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                if inside:
                    cursor.execute(LIMITS_SQL)
                    before = cursor.fetchone()
                yield lambda seconds: cursor.execute(LIMIT_SQL, [f"{max(1, round(seconds * 1000))}ms", "off", "0"])
                if inside:
                    cursor.execute(LIMIT_SQL, before)
        except OperationalError as error:
            # Out here, since a COMMIT too can take longer than the last statement was allowed to.
            if _sqlstate(error) == QUERY_CANCELED:
                raise BudgetSpent from error
            raise

    def prune(
        self,
        before: datetime,
        *,
        levels: Sequence[str] = (),
        categories: Sequence[str] = (),
        progress: Callable[[int], None] = lambda rows: None,
    ) -> int:
        """Drop the leaves that are wholly older; delete the rest batch by batch."""
        deleted = 0
        in_use: list[str] = []
        with self.connection.cursor() as cursor:
            older = [leaf for leaf in leaves.read_leaves(cursor) if leaf.span.lower < before]
        for leaf in reversed(older):
            if leaf.span.upper <= before and not levels and not categories:
                dropped = self._drop(leaf)
                if dropped is None:
                    in_use.append(leaf.name)
                deleted += dropped or 0
            elif leaf.size_bytes:
                deleted += self._delete(leaf.span, before, levels, categories, lambda n: progress(deleted + n))  # noqa: B023
            progress(deleted)
        if in_use:
            raise LeavesInUse(deleted, in_use)
        return deleted

    def _insert(self, rows: Sequence[Row]) -> int:
        alias = self.connection.alias
        if len(rows) < COPY_FROM_ROWS:
            marks = ", ".join(["(" + ", ".join(["%s"] * len(COLUMNS)) + ")"] * len(rows))
            with self.connection.cursor() as cursor:
                cursor.execute(INSERT_SQL.format(values=marks), [value for row in rows for value in _values(row)])
                return int(cursor.rowcount)
        try:
            with transaction.atomic(using=alias), self.connection.cursor() as cursor:
                self._copy(cursor, TABLE, rows)
                return len(rows)
        except IntegrityError as error:
            if _sqlstate(error) != UNIQUE_VIOLATION:
                raise
        with transaction.atomic(using=alias), self.connection.cursor() as cursor:
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
            self._copy(cursor, STAGE, rows)
            cursor.execute(UNSTAGE_SQL)
            return int(cursor.rowcount)

    def _copy(self, cursor: CursorWrapper, table: str, rows: Sequence[Row]) -> None:
        with self.connection.wrap_database_errors, cursor.copy(COPY_SQL.format(table=table)) as copy:
            for row in rows:
                copy.write_row(_values(row))

    def _drop(self, leaf: leaves.Leaf) -> int | None:
        """Drop a leaf; gives its rows, or None where a reader held it all the time."""
        for attempt in range(DETACH_TRIES):
            if attempt:
                time.sleep(DETACH_PAUSE_S)
            try:
                return leaves.drop_leaf(self.connection, leaf)
            except OperationalError as error:
                if _sqlstate(error) != LOCK_NOT_AVAILABLE:
                    raise
        return None

    def _delete(
        self,
        span: Span,
        before: datetime,
        levels: Sequence[str],
        categories: Sequence[str],
        progress: Callable[[int], None],
    ) -> int:
        condition = "timestamp >= %s AND timestamp < %s"
        values: list[Any] = [span.lower, min(before, span.upper)]
        for column, chosen in (("level", levels), ("category", categories)):
            if chosen:
                condition += f" AND {column} = ANY(%s)"
                values.append(list(chosen))
        deleted = 0
        while True:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                cursor.execute(PRUNE_SQL.format(condition=condition), [*values, before])
                gone = int(cursor.rowcount)
            deleted += gone
            progress(deleted)
            if gone < PRUNE_BATCH:
                return deleted

    def _make(self, instants: Iterable[datetime]) -> list[Span]:
        _seen.pop(self._database(), None)
        own = self.connection.copy()
        try:
            with own.wrap_database_errors, _transaction(own) as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
                return leaves.make_leaves(cursor, instants)
        finally:
            own.close()

    def _remembered_spans(self) -> list[Span]:
        settled = datetime.now(UTC) - SETTLED
        return [span for span in _remembered.get(self._database(), ()) if span.lower >= settled or settled in span]

    def _database(self) -> tuple[str, str]:
        return self.connection.alias, str(self.connection.settings_dict["NAME"])


@contextmanager
def _transaction(connection: Any) -> Iterator[CursorWrapper]:
    """`transaction.atomic` knows registered aliases only. After an error, closing the connection rolls back."""
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        yield cursor
    connection.commit()


def _values(row: Row) -> list[Any]:
    values: list[Any] = list(row)
    values[COLUMNS.index("context")] = context_as_json(row.context)
    return values


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
