"""The log table on PostgreSQL: leaves, COPY, statement timeouts."""

from __future__ import annotations

import os
import socket
import time
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, cast

from django.db import DatabaseError, Error, IntegrityError, OperationalError, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from systemlog.conf import conf
from systemlog.records.copy_text import instants
from systemlog.records.row import COLUMN_LIST, COLUMNS, TABLE, Row, context_as_json
from systemlog.storage import rollup
from systemlog.storage.base import BudgetSpent, Storage
from systemlog.storage.calendar import AHEAD, BEGINNING, END, Span, days_ahead, mergeable, span_for
from systemlog.storage.checkpoints import Slice
from systemlog.storage.conditions import ALL, NOTHING, Condition, expired
from systemlog.storage.expiry import Expiry, Verdict
from systemlog.storage.known import SetApart, conflicts_among, known_from
from systemlog.storage.lookups import Lookup
from systemlog.storage.postgresql import lookup_functions, partitions, rewrite, sealing
from systemlog.storage.postgresql.errors import (
    CHECK_VIOLATION,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    UNIQUE_VIOLATION,
    sqlstate_of,
)
from systemlog.storage.steps import Action, Clock, Orders, Partition, PartitionInUse, PartitionReport, Step

COPY_FROM_ROWS = 20
"""As many rows go by COPY; fewer are faster as one INSERT."""

DELETE_BATCH = 5000
ROWS_OF_A_BLOCK = 500

SETTLED = timedelta(days=1)
"""Leaves of the last day and of the two days ahead never go, so that a process may remember that they are there."""

REMEMBERED_AHEAD = timedelta(days=2)

PATIENCE = "2s"
"""So long at most may what makes or detaches a leaf wait for a lock."""

TURNS = "systemlog.retention"

REFUSING_CLASSES = ("22", "23", "44", "54", "P0")
"""Of SQLSTATE: data, integrity, check option, program limits, and what PL/pgSQL raises."""

COPY_SQL = f"COPY {{table}} ({COLUMN_LIST}) FROM STDIN"
INSERT_SQL = f"INSERT INTO {TABLE} ({COLUMN_LIST}) VALUES {{values}} ON CONFLICT (timestamp, id) DO NOTHING"
STAGE = f"{TABLE}_stage"
STAGE_SQL = f"CREATE TEMPORARY TABLE IF NOT EXISTS {STAGE} (LIKE {TABLE}) ON COMMIT DELETE ROWS"
UNSTAGE_SQL = (
    f"INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM {STAGE} ON CONFLICT (timestamp, id) DO NOTHING"
)
# OFFSET 0 has each key looked up by itself, in its partition alone.
DIFFERING_SQL = f"""
    SELECT stored.* FROM {STAGE} staged CROSS JOIN LATERAL (
        SELECT timestamp AT TIME ZONE 'UTC' AS timestamp, id, level, category, source, message, correlation_id, user_id,
            context::text AS context, trace_id, subject, recorded_by
        FROM {TABLE} WHERE timestamp = staged.timestamp AND id = staged.id OFFSET 0
    ) stored
    WHERE (staged.level, staged.category, staged.source, staged.message, staged.user_id, staged.context,
            staged.trace_id, staged.subject, staged.recorded_by) IS DISTINCT FROM
        (stored.level, stored.category, stored.source, stored.message, stored.user_id, stored.context::jsonb,
            stored.trace_id, stored.subject, stored.recorded_by)
        OR staged.correlation_id <> coalesce(stored.correlation_id, '')
"""
# What is landed leaves the journal: it must be safe then, also where the server's commits do not wait for its disk.
WAIT_FOR_DISK_SQL = """
    SELECT set_config('synchronous_commit', 'local', true) WHERE current_setting('synchronous_commit') = 'off'
"""
LINES_SQL = """
    SELECT row_to_json(line) FROM (
        SELECT id, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp, level, category,
            message, correlation_id, user_id, trace_id, source, subject, recorded_by, context
        FROM {partition} WHERE {condition} ORDER BY {partition}.timestamp, id
    ) line
"""
DOOMED_SQL = f"SELECT ctid FROM {{partition}} WHERE ctid > %s AND {{condition}} LIMIT {DELETE_BATCH}"

# By the table and not by the leaf, so that its triggers notice; the span spares it all other leaves.
DELETE_SQL = f"""
    DELETE FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s AND ctid = ANY(%s::tid[]) AND {{condition}}
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

    unstage_sql, lines_sql = UNSTAGE_SQL, LINES_SQL

    def ensure_partitions(self, instants: Iterable[datetime]) -> None:
        """Make the leaves that are missing, each in a transaction of its own, on a connection of its own.

        Whoever writes now also makes the last of the leaves ahead, or one of them if several are missing.
        """
        now = datetime.now(UTC)
        wanted = sorted(set(instants))
        known = _remembered.get(self._database(), [])
        unknown = _outside(wanted, [span for span in known if _stays(span, now)])
        writes_now = bool(wanted) and wanted[-1] > now - SETTLED
        if not unknown and not (writes_now and _outside([now + AHEAD[conf().PARTITION]], known)):
            return
        known = [partition.span for partition in self._partitions()]
        if missing := _outside(unknown, known):
            known = self._make(missing)
        if writes_now and (ahead := _outside(days_ahead(now, conf().PARTITION), known)):
            # Who writes does not need it yet, and neither waits nor fails for it; the next one tries again.
            with suppress(OperationalError):
                known = self._make(ahead[:1], patience="50ms")
        _remembered[self._database()] = known

    def missing_partitions(self, instants: Iterable[datetime]) -> list[datetime]:
        """Those without a leaf."""
        return _outside(instants, [partition.span for partition in self._partitions()])

    def insert(self, rows: Sequence[Row]) -> int:
        """COPY; where a key is there already, once more through a staging table that skips it."""
        if not rows:
            return 0
        rows = sorted(rows, key=lambda row: row[:2])  # in one order, so that two writers of the same keys queue
        self.ensure_partitions({row.timestamp for row in rows})
        for attempt in (1, 2):
            try:
                return self._insert(rows)
            except IntegrityError as error:
                if sqlstate_of(error) != CHECK_VIOLATION:
                    raise
                # A leaf that this process remembered was dropped since.
                _remembered.pop(self._database(), None)
                if attempt == 2 or self.connection.in_atomic_block:
                    raise
                self.ensure_partitions({row.timestamp for row in rows})
        raise AssertionError("unreachable")

    def break_off(self) -> None:
        """Shut the socket down: a server that is frozen answers nothing, and a request to cancel neither."""
        raw: Any = self.connection.connection
        if raw is not None:
            # An error, if that thread has closed the connection meanwhile.
            with (
                suppress(Error, OSError),
                self.connection.wrap_database_errors,
                socket.socket(fileno=os.dup(raw.fileno())) as own,
            ):
                own.shutdown(socket.SHUT_RDWR)

    def land(self, slices: Sequence[Slice], start: int, set_apart: SetApart | None = None) -> dict[uuid.UUID, int]:
        """COPY of the lines as they are; where a key is there already, once more through the staging table."""
        room = instants(line for slice_ in slices for line in slice_.lines)
        self.ensure_partitions(room)
        skip_known = False
        for attempt in range(3):
            try:
                return self._land(slices, start, set_apart, skip_known=skip_known)
            except DatabaseError as error:
                if not skip_known and self._may_be_known(error):
                    skip_known = True
                elif sqlstate_of(error) == CHECK_VIOLATION and _lacks_partition(error) and attempt < 2:
                    # A leaf that this process remembered was dropped since.
                    _remembered.pop(self._database(), None)
                    self.ensure_partitions(room)
                else:
                    raise
        raise AssertionError("unreachable")

    def refuses_rows(self, error: Exception) -> bool:
        """A value, a constraint or a trigger that does not take a row, or a row too large for an index."""
        return (sqlstate_of(error) or "")[:2] in REFUSING_CLASSES

    def spans(self) -> list[Span]:
        """The leaves that ever held a row."""
        with self.connection.cursor() as cursor:
            return [partition.span for partition in partitions.read_partitions(cursor) if partition.size_bytes]

    def partition_spans(self) -> list[Span]:
        """As this process has read them last, if that is not long ago."""
        read_at, spans = _seen.get(self._database(), (-float("inf"), []))
        if time.monotonic() - read_at > SEEN_FOR_S:
            with self.connection.cursor() as cursor:
                spans = [partition.span for partition in partitions.read_partitions(cursor)]
            _seen[self._database()] = time.monotonic(), spans
        return spans

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """By a function that keeps its plan."""
        found = records.all()
        alias = found.query.get_initial_alias()
        found.query.alias_map[alias] = lookup_functions.RecordsOf(alias, _arguments(lookup, most))
        return found

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """By another."""
        with self.connection.cursor() as cursor:
            cursor.execute(lookup_functions.NUMBER_SQL, _arguments(lookup, most))
            return int(cursor.fetchone()[0])

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
        except Exception as error:
            # Out here, since a COMMIT too can take longer than the last statement was allowed to. So can closing a
            # cursor, whose error is the driver's own.
            if sqlstate_of(error) in (QUERY_CANCELED, LOCK_NOT_AVAILABLE):
                raise BudgetSpent from error
            raise

    def partitions(self) -> list[PartitionReport]:
        """The partitions, those with a pending DETACH too."""
        with self.connection.cursor() as cursor:
            return partitions.report_partitions(cursor)

    def clock(self) -> Clock:
        """The server's clock; and leaves are made some days ahead of the last use."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now = cursor.fetchone()[0]
            made = [partition.span.lower for partition in partitions.read_partitions(cursor)]
        return Clock(now, max(made, default=None))

    @contextmanager
    def exclusive(self, waiting: Callable[[], None]) -> Iterator[None]:
        """An advisory lock, in a transaction of another connection: this one's are short."""
        if self.connection.in_atomic_block:
            raise TransactionManagementError("Retention has transactions of its own, and cannot run inside another.")
        own = self.connection.copy()
        try:
            own.set_autocommit(False)
            with own.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [TURNS])
                if not cursor.fetchone()[0]:
                    waiting()
                    cursor.execute(partitions.LOCK_SQL, [TURNS])
            self._finish_detaching()
            rewrite.clear(self.connection, self.recount_rollup)
            yield
        finally:
            own.close()

    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """Drop a leaf all of whose span is past. Of another one, write what stays anew if it is the smaller part."""
        past = expiry.verdict(*partition.span) is Verdict.ALL
        if past and self._settled(partition, expiry) and (rows := rollup.count_up_to(self.connection, partition.span)):
            return Step(partition, Action.DROP, rows, rows)
        # Of a leaf that is past, an index tells how many rows go: there is no need to look at each.
        condition = Condition(ALL, []) if past else expired(expiry, _same)
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*), count(*) FILTER (WHERE {condition.sql}) FROM {partition.name}", condition.values
            )
            rows, gone = cursor.fetchone()
        if past and self._settled(partition, expiry):
            return Step(partition, Action.DROP, rows, gone)
        if not gone:
            return Step(partition, Action.NOTHING, rows, 0)
        # Rows may come while others are archived, which only a leaf that is written anew keeps.
        anew = gone * 2 >= rows or expiry.archives(partition.span.lower)
        return Step(partition, Action.REPLACE if anew else Action.DELETE, rows, gone)

    def execute(self, step: Step, expiry: Expiry, orders: Orders) -> int:
        """Drop, write anew, or delete."""
        partition = step.partition
        archive = orders.archive if step.rows and expiry.archives(partition.span.lower) else None

        def finish(cursor: CursorWrapper, rows: int) -> None:
            if rows:
                self._insert([orders.note(rows)])

        self.ensure_partitions([datetime.now(UTC)])  # for the note
        went = step.expired
        if step.action is Action.NOTHING:
            return 0
        if step.action is Action.DELETE:
            return self._delete(partition, expired(expiry, _same), orders)
        if step.action is Action.DROP and archive is None:
            rewrite.drop(self.connection, partition, lambda cursor: finish(cursor, went))
        else:
            went = rewrite.replace(
                self.connection,
                [partition],
                partition.span,
                expired(expiry, _same),
                before_copy=lambda cursor: self._archive(partition, expiry, archive) if archive else None,
                finish=finish,
                keep_empty=not self._settled(partition, expiry),
            )
        rewrite.clear(self.connection, self.recount_rollup)
        orders.progress(went)
        return went

    def archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        """In one statement, and so under one snapshot."""
        with transaction.atomic(using=self.connection.alias):
            self._archive(partition, expiry, write)

    def maintain(self, progress: Callable[[str], None]) -> None:
        """Leaves ahead first: they are what writers need."""
        now = datetime.now(UTC)
        self._drop_longer_ahead(now)
        try:
            self._make(days_ahead(now, conf().PARTITION))
        except OperationalError as error:
            if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
                raise PartitionInUse(TABLE) from error
            raise
        while (span := mergeable([partition.span for partition in self._partitions()], now=now)) is not None:
            old = [
                partition
                for partition in self._partitions()
                if span.lower <= partition.span.lower and partition.span.upper <= span.upper
            ]
            progress(f"merging {len(old)} partitions into one from {span.lower:%Y-%m-%d} to {span.upper:%Y-%m-%d}")
            self._merge(old, span)
        for partition, mark, index in sealing.unsealed(self.connection, self._partitions()):
            progress(f"sealing {partition.name}")
            sealing.seal(self.connection, partition, self.recount_rollup, index=index, mark=mark)

    def _merge(self, old: Sequence[Partition], span: Span) -> None:
        rewrite.replace(
            self.connection,
            old,
            span,
            Condition(NOTHING, []),
            before_copy=lambda cursor: None,
            finish=lambda cursor, went: None,
            keep_empty=True,
        )
        rewrite.clear(self.connection, lambda span: None)  # all rows are still there

    def _insert(self, rows: Sequence[Row]) -> int:
        alias = self.connection.alias
        if len(rows) < COPY_FROM_ROWS:
            with self.connection.cursor() as cursor:
                cursor.execute(*insertion(rows))
                return int(cursor.rowcount)
        try:
            with transaction.atomic(using=alias), self.connection.cursor() as cursor:
                self._copy(cursor, TABLE, rows)
                return len(rows)
        except DatabaseError as error:
            if not self._may_be_known(error):
                raise
        with transaction.atomic(using=alias), self.connection.cursor() as cursor:
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
            self._copy(cursor, STAGE, rows)
            cursor.execute(self.unstage_sql)
            return int(cursor.rowcount)

    def _land(
        self, slices: Sequence[Slice], start: int, set_apart: SetApart | None, *, skip_known: bool
    ) -> dict[uuid.UUID, int]:
        checkpoints = self.checkpoints()
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(WAIT_FOR_DISK_SQL)
            positions = checkpoints.lock(cursor, slices, start)
            chosen = [slice_ for slice_ in slices if positions.get(slice_.segment) == slice_.start]
            if any(slice_.lines for slice_ in chosen):
                self._copy_lines(cursor, [slice_.lines for slice_ in chosen], skip_known=skip_known)
                if skip_known and set_apart is not None:
                    known = known_from(self._differing(cursor, chosen))
                    if conflicts := conflicts_among(chosen, known):
                        set_apart(conflicts)
            checkpoints.move(cursor, chosen)
        return positions | {slice_.segment: slice_.end for slice_ in chosen}

    def _copy(self, cursor: CursorWrapper, table: str, rows: Sequence[Row]) -> None:
        with self.connection.wrap_database_errors, cursor.copy(COPY_SQL.format(table=table)) as copy:
            for row in rows:
                copy.write_row(values_of(row))

    def _copy_lines(self, cursor: CursorWrapper, blocks: Iterable[Sequence[bytes]], *, skip_known: bool) -> None:
        if skip_known:
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
        with (
            self.connection.wrap_database_errors,
            cursor.copy(COPY_SQL.format(table=STAGE if skip_known else TABLE)) as copy,
        ):
            for lines in blocks:
                copy.write(b"".join([line + b"\n" for line in lines]))
        if skip_known:
            cursor.execute(self.unstage_sql)

    def _differing(self, cursor: CursorWrapper, slices: Sequence[Slice]) -> Iterable[Sequence[Any]]:
        """The stored rows that differ from what the staging table has for their keys; perhaps others of its keys."""
        cursor.execute(DIFFERING_SQL)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def _may_be_known(self, error: DatabaseError) -> bool:
        """Whether a COPY may have been refused because a key of it is there already."""
        return sqlstate_of(error) == UNIQUE_VIOLATION

    def _finish_detaching(self) -> None:
        with self.connection.cursor() as cursor:
            detaching = partitions.read_detaching(cursor)
        for partition in detaching:
            try:
                with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
                    partitions.finish_detaching(cursor, partition)
            except OperationalError as error:
                if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
                    raise PartitionInUse(partition.name) from error
                raise

    def _archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        from psycopg import ClientCursor  # a project on SQLite has no driver of PostgreSQL

        condition = expired(expiry, _same, archived_only=True)
        query = self.lines_sql.format(partition=partition.name, condition=condition.sql)
        with (
            self.connection.wrap_database_errors,
            ClientCursor(self.connection.connection) as cursor,  # COPY takes no parameters on the server's side
            cursor.copy(f"COPY ({query}) TO STDOUT", condition.values) as copy,
        ):
            write(partition, _lines_of(copy))

    def _drop_longer_ahead(self, now: datetime) -> None:
        """Drop empty leaves ahead that are longer than they would be made today: the setting PARTITION was changed."""
        there = self._partitions()
        for partition in there:
            others = [other.span for other in there if other is not partition]
            if partition.span.lower > now + REMEMBERED_AHEAD and not partition.size_bytes:
                wanted = span_for(partition.span.lower, now=now, partition=conf().PARTITION, taken=others)
                if wanted.upper < partition.span.upper:
                    rewrite.drop_if_empty(self.connection, partition)
                    rewrite.clear(self.connection, lambda span: None)

    def _delete(self, partition: Partition, condition: Condition, orders: Orders) -> int:
        deleted, last = 0, "(0,0)"
        while True:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                cursor.execute(
                    DOOMED_SQL.format(partition=partition.name, condition=condition.sql), [last, *condition.values]
                )
                doomed = [place for (place,) in cursor.fetchall()]
                if not doomed:
                    return deleted
                last = doomed[-1]
                cursor.execute(DELETE_SQL.format(condition=condition.sql), [*partition.span, doomed, *condition.values])
                gone = int(cursor.rowcount)
                deleted += gone
                if gone:
                    self._insert([orders.note(gone)])
            orders.progress(deleted)

    def _settled(self, partition: Partition, expiry: Expiry) -> bool:
        return partition.span.upper <= expiry.now - SETTLED

    def _partitions(self) -> list[Partition]:
        with self.connection.cursor() as cursor:
            return partitions.read_partitions(cursor)

    def _make(self, instants: Iterable[datetime], patience: str = PATIENCE) -> list[Span]:
        spans: list[Span] = []
        _seen.pop(self._database(), None)
        own = self.connection.copy()
        try:
            for instant in instants:
                if _outside([instant], spans):
                    with own.wrap_database_errors, _transaction(own) as cursor:
                        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [patience])
                        spans = partitions.create_partition(cursor, instant)
            return spans
        finally:
            own.close()

    def _database(self) -> tuple[str, str]:
        return self.connection.alias, str(self.connection.settings_dict["NAME"])


@contextmanager
def _transaction(connection: Any) -> Iterator[CursorWrapper]:
    """`transaction.atomic` knows registered aliases only. After an error, closing the connection rolls back."""
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        yield cursor
    connection.commit()


def insertion(rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """The statement that inserts a few rows, those that are not there, and its values."""
    marks = ", ".join(["(" + ", ".join(["%s"] * len(COLUMNS)) + ")"] * len(rows))
    return INSERT_SQL.format(values=marks), [value for row in rows for value in values_of(row)]


def values_of(row: Row) -> list[Any]:
    """What the driver takes for the columns."""
    values: list[Any] = list(row)
    values[COLUMNS.index("context")] = context_as_json(row.context)
    return values


def _arguments(lookup: Lookup, most: int) -> list[Any]:
    """Of the functions that keep their plan."""
    by, value, since, until, before = lookup
    # Plain SQL can store what lies beyond all dates of Python: that has no place in a page.
    if until is None:
        return [by.value, value, since or BEGINNING, END, uuid.UUID(int=(1 << 128) - 1), most]
    return [by.value, value, since or BEGINNING, until, before or uuid.UUID(int=0), most]


def _outside(instants: Iterable[datetime], spans: Iterable[Span]) -> list[datetime]:
    """The instants that lie in none of the spans."""
    ordered = sorted(spans)
    lowers = [span.lower for span in ordered]
    return [
        instant
        for instant in instants
        if not (place := bisect_right(lowers, instant)) or instant not in ordered[place - 1]
    ]


def _stays(span: Span, now: datetime) -> bool:
    """Whether nobody takes this leaf away, so that it need not be asked for each time."""
    return span.upper > now - SETTLED and span.lower < now + REMEMBERED_AHEAD


def _lines_of(copy: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """What COPY gives row by row, some rows at a time, as it was before COPY wrote it.

    COPY doubles the backslash; all else that it would write otherwise JSON writes otherwise already.
    """
    rows = iter(copy)
    while some := list(islice(rows, ROWS_OF_A_BLOCK)):
        yield b"".join(some).replace(rb"\\", b"\\")


def _same(instant: datetime) -> datetime:
    return instant


def _lacks_partition(error: Exception) -> bool:
    """Whether it is the partitioned table that says no, for lack of a leaf; a CHECK of somebody's has a name."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) is None
