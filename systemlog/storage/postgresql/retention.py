"""The part of the PostgreSQL storage that drops, rewrites, archives, merges and seals partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

from django.db import OperationalError, transaction
from django.db.backends.utils import CursorWrapper
from django.db.transaction import TransactionManagementError

from systemlog.compat import in_transaction, separate_connection, wrapped_errors
from systemlog.conf import conf
from systemlog.records.row import TABLE
from systemlog.storage import rollup
from systemlog.storage.advisory_locks import LOCK_SQL, RETENTION_LOCK, TRY_LOCK_SQL
from systemlog.storage.calendar import Span, days_ahead, mergeable, span_for
from systemlog.storage.conditions import ALL, NOTHING, Condition, expired
from systemlog.storage.expiry import Expiry, Verdict
from systemlog.storage.partitions import Clock, Partition, PartitionInUse
from systemlog.storage.postgresql import partitions, rewrite, sealing
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of
from systemlog.storage.postgresql.partitioned import KEPT_AHEAD, KEPT_BEHIND, LOCK_TIMEOUT
from systemlog.storage.postgresql.writing import WritingStorage
from systemlog.storage.pruning import Action, Callbacks, Step

DELETE_BATCH = 5000

ROWS_OF_A_BLOCK = 500

LINES_SQL = """
    SELECT row_to_json(line) FROM (
        SELECT id, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp, level, category,
            message, correlation_id, user_id, trace_id, source, subject, recorded_by, context
        FROM {partition} WHERE {condition} ORDER BY {partition}.timestamp, id
    ) line
"""

EXPIRED_ROWS_SQL = f"SELECT ctid FROM {{partition}} WHERE ctid > %s AND {{condition}} LIMIT {DELETE_BATCH}"

# Deletes through the parent table, because only its triggers maintain the roll-up. The time condition prunes all other
# partitions.
DELETE_SQL = f"""
    DELETE FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s AND ctid = ANY(%s::tid[]) AND {{condition}}
"""


class RetentionStorage(WritingStorage):
    """A storage that prunes, archives and maintains its partitions."""

    lines_sql = LINES_SQL

    def clock(self) -> Clock:
        """Return the server's time, and the start of the newest partition, a few days ahead of the last use."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now = cursor.fetchone()[0]
            made = [partition.span.lower for partition in partitions.read_partitions(cursor)]
        return Clock(now, max(made, default=None))

    @contextmanager
    def exclusive(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold an advisory lock in a transaction of a separate connection; those of this connection are short."""
        if in_transaction(self.connection):
            raise TransactionManagementError("Retention has transactions of its own, and cannot run inside another.")
        with separate_connection(self.connection) as own:
            with own.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                cursor.execute(TRY_LOCK_SQL, [RETENTION_LOCK])
                if not cursor.fetchone()[0]:
                    waiting()
                    cursor.execute(LOCK_SQL, [RETENTION_LOCK])
            self._finish_detaching()
            rewrite.clear(self.connection, self.recount_rollup)
            yield

    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """Drop a partition whose whole span has expired. Rewrite one of whose rows at least half expire.

        Otherwise delete the expired rows. The rows of an expired partition are counted only if the roll-up does not
        know their number.
        """
        all_expired = expiry.verdict(*partition.span) is Verdict.ALL
        condition = Condition(ALL, []) if all_expired else expired(expiry, unadapted)
        rows = gone = rollup.count_span(self.connection, partition.span) if all_expired else None
        if rows is None or gone is None:
            with self.connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE {condition.sql}) FROM {partition.name}", condition.values
                )
                rows, gone = cursor.fetchone()
        if all_expired and self._may_be_dropped(partition, expiry):
            return Step(partition, Action.DROP, rows, gone)
        if not gone:
            return Step(partition, Action.NOTHING, rows, 0)
        # Only a rewrite keeps rows that are inserted while others are archived.
        rewritten = gone * 2 >= rows or expiry.archives(partition.span.lower)
        return Step(partition, Action.REWRITE if rewritten else Action.DELETE, rows, gone)

    def execute(self, step: Step, expiry: Expiry, callbacks: Callbacks) -> int:
        """Drop or rewrite the partition, or delete its expired rows."""
        partition = step.partition
        archive = callbacks.archive if step.rows and expiry.archives(partition.span.lower) else None

        removal = callbacks.removal

        def finish(cursor: CursorWrapper, rows: int) -> None:
            removal.sign()
            if rows:
                self._insert([callbacks.removal_record(rows, partition.span)])

        self.ensure_partitions([datetime.now(UTC)])  # for the record about the removal
        went = step.expired
        if step.action is Action.NOTHING:
            return 0
        if step.action is Action.DELETE:
            condition = expired(expiry, unadapted)
            if removal.watches:
                return self._delete_by_hours(partition, condition, callbacks)
            return self._delete(partition, condition, callbacks)
        if step.action is Action.DROP and archive is None:
            dropped = lambda: removal.drop(partition.span)  # noqa: E731
            rewrite.drop(self.connection, partition, lambda cursor: finish(cursor, went), dropped)
        else:
            all_expired = expiry.verdict(*partition.span) is Verdict.ALL
            condition = Condition(ALL, []) if all_expired else expired(expiry, unadapted)

            def before_copy(cursor: CursorWrapper) -> None:
                if archive:
                    self._archive(partition, expiry, archive)
                removal.read(partition.name, partition.span, condition)

            went = rewrite.rewrite_partitions(
                self.connection,
                [partition],
                partition.span,
                condition,
                before_copy=before_copy,
                finish=finish,
                keep_empty=not self._may_be_dropped(partition, expiry),
            )
        rewrite.clear(self.connection, self.recount_rollup)
        callbacks.progress(went)
        return went

    def archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        """Read all rows by one statement, and so from one snapshot."""
        with transaction.atomic(using=self.connection.alias):
            self._archive(partition, expiry, write)

    def maintain(self, progress: Callable[[str], None]) -> None:
        """Create the partitions ahead first, because writers need them."""
        now = datetime.now(UTC)
        self._drop_longer_ahead(now)
        try:
            self._create_partitions(days_ahead(now, conf().PARTITION))
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
        rewrite.rewrite_partitions(
            self.connection,
            old,
            span,
            Condition(NOTHING, []),
            before_copy=lambda cursor: None,
            finish=lambda cursor, went: None,
            keep_empty=True,
        )
        rewrite.clear(self.connection, lambda span: None)  # no row was removed, so nothing is recounted

    def _finish_detaching(self) -> None:
        with self.connection.cursor() as cursor:
            detaching = partitions.read_detaching(cursor)
        for partition in detaching:
            try:
                with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                    partitions.finish_detaching(cursor, partition)
            except OperationalError as error:
                if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
                    raise PartitionInUse(partition.name) from error
                raise

    def _archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        from psycopg import ClientCursor  # a project on SQLite does not have the PostgreSQL driver

        condition = expired(expiry, unadapted, archived_only=True)
        query = self.lines_sql.format(partition=partition.name, condition=condition.sql)
        with (
            wrapped_errors(self.connection),
            ClientCursor(self.connection.connection) as cursor,  # COPY accepts no server-side parameters
            cursor.copy(f"COPY ({query}) TO STDOUT", condition.values) as copy,
        ):
            write(partition, _lines_of(copy))

    def _drop_longer_ahead(self, now: datetime) -> None:
        """Drop empty partitions ahead that are longer than the setting PARTITION says since it was changed."""
        there = self._partitions()
        for partition in there:
            others = [other.span for other in there if other is not partition]
            if partition.span.lower > now + KEPT_AHEAD and not partition.size_bytes:
                wanted = span_for(partition.span.lower, now=now, partition=conf().PARTITION, taken=others)
                if wanted.upper < partition.span.upper:
                    rewrite.drop_if_empty(self.connection, partition)
                    rewrite.clear(self.connection, lambda span: None)

    def _delete(self, partition: Partition, condition: Condition, callbacks: Callbacks) -> int:
        deleted, last = 0, "(0,0)"
        while True:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                cursor.execute(
                    EXPIRED_ROWS_SQL.format(partition=partition.name, condition=condition.sql),
                    [last, *condition.values],
                )
                places = [place for (place,) in cursor.fetchall()]
                if not places:
                    return deleted
                last = places[-1]
                cursor.execute(DELETE_SQL.format(condition=condition.sql), [*partition.span, places, *condition.values])
                gone = int(cursor.rowcount)
                deleted += gone
                if gone:
                    self._insert([callbacks.removal_record(gone, partition.span)])
            callbacks.progress(deleted)

    def _delete_by_hours(self, partition: Partition, condition: Condition, callbacks: Callbacks) -> int:
        """Delete the expired rows of one hour after the other, each in a transaction that also accounts for them."""
        deleted = 0
        while (hour := self._first_hour(partition, condition)) is not None:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                self._freeze(cursor, hour)
                callbacks.removal.read(partition.name, hour, condition)
                in_hour = Condition(
                    f"timestamp >= %s AND timestamp < %s AND {condition.sql}", [*hour, *condition.values]
                )
                gone = self._delete_at_once(cursor, partition, in_hour)
                callbacks.removal.sign()
                if gone:
                    self._insert([callbacks.removal_record(gone, hour)])
            deleted += gone
            callbacks.progress(deleted)
        return deleted

    def _first_hour(self, partition: Partition, condition: Condition) -> Span | None:
        """Return the part of the first hour with expired rows that lies in the partition."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT min(timestamp) FROM {partition.name} WHERE {condition.sql}", condition.values)
            (oldest,) = cursor.fetchone()
        if oldest is None:
            return None
        lower = oldest.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return Span(lower, lower + rollup.HOUR)

    def _freeze(self, cursor: CursorWrapper, span: Span) -> None:
        """Make the transaction that has just begun delete the rows that it has read, and no others of this span."""
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def _delete_at_once(self, cursor: CursorWrapper, partition: Partition, condition: Condition) -> int:
        """Delete rows by one statement."""
        cursor.execute(f"DELETE FROM {TABLE} WHERE {condition.sql}", condition.values)
        return int(cursor.rowcount)

    def _may_be_dropped(self, partition: Partition, expiry: Expiry) -> bool:
        return partition.span.upper <= expiry.now - KEPT_BEHIND


def _lines_of(copy: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Yield blocks of the rows that COPY writes, without COPY's escapes.

    COPY doubles each backslash. Other characters that COPY would escape do not occur, because JSON has escaped them.
    """
    rows = iter(copy)
    while some := list(islice(rows, ROWS_OF_A_BLOCK)):
        yield b"".join(some).replace(rb"\\", b"\\")


def unadapted(instant: datetime) -> datetime:
    return instant
