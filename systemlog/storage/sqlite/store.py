"""The log table on SQLite: one table without partitions."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.dateparse import parse_datetime

from systemlog import compat
from systemlog.fingerprints.lines import identity_of, is_grave
from systemlog.records.context_json import UNREADABLE
from systemlog.records.copy_text import texts
from systemlog.records.ids import MICROSECOND
from systemlog.records.ndjson import write_line
from systemlog.records.row import COLUMNS, TABLE, Row, context_as_json
from systemlog.storage import rollup
from systemlog.storage.base import BudgetSpent
from systemlog.storage.calendar import BEGINNING, Span
from systemlog.storage.checkpoints import CHECKPOINTS, Slice
from systemlog.storage.conditions import Condition, expired
from systemlog.storage.conflicts import OnConflict, by_key, conflicts_among, find
from systemlog.storage.expiry import Expiry
from systemlog.storage.group_counts import STORED_COLUMNS, identity_of_row
from systemlog.storage.partitions import Clock, Partition, PartitionReport, PartitionState
from systemlog.storage.pruning import Action, Callbacks, Step
from systemlog.storage.sqlite.tailing import TailingStorage

PRUNE_BATCH = 2000
PRUNE_PAUSE_S = 0.01
"""Pause between two batches, in which other writers can take the lock."""

PROGRESS_INSTRUCTIONS = 1000
"""Number of instructions of SQLite's virtual machine between two looks at the deadline."""

# A statement with triggers copies each page before it changes the page. So a row costs half if many share a statement.
ROWS_AT_ONCE = 999 // (len(COLUMNS) + 1)
"""The number of rows of a statement that needs no more parameters than every SQLite allows."""

_ROW_SQL = f"({', '.join(['%s'] * (len(COLUMNS) + 1))})"
_INSERT_SQL = f"INSERT INTO {TABLE} ({STORED_COLUMNS}) VALUES {{rows}} ON CONFLICT (timestamp, id) DO NOTHING"
INSERT_SQL = _INSERT_SQL.format(rows=_ROW_SQL)
INSERT_ROWS_SQL = _INSERT_SQL.format(rows=", ".join([_ROW_SQL] * ROWS_AT_ONCE))
EXPIRED_ROWS_SQL = f"""
    SELECT rowid, timestamp FROM {TABLE} WHERE timestamp >= %s AND {{condition}} ORDER BY timestamp LIMIT {PRUNE_BATCH}
"""
DELETE_SQL = f"DELETE FROM {TABLE} WHERE rowid IN ({{marks}})"
READ_SQL = f"""
    SELECT timestamp, id, {", ".join(COLUMNS[2:])} FROM {TABLE}
    WHERE (timestamp, id) > (%s, %s) AND rowid <= %s AND {{condition}} ORDER BY timestamp, id LIMIT {PRUNE_BATCH}
"""
BYTES_SQL = "(SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())"
MAX_ROWID = 2**63 - 1


class SQLiteStorage(TailingStorage):
    """The log table on SQLite."""

    def ensure_partitions(self, instants: Iterable[datetime]) -> None:
        """Do nothing: the table has no partitions."""

    def missing_partitions(self, instants: Iterable[datetime]) -> list[datetime]:
        """Return an empty list: the table has no partitions."""
        return []

    def insert(self, rows: Sequence[Row]) -> int:
        """Insert all rows by one statement, in one transaction."""
        if not rows:
            return 0
        adapt = self.connection.ops.adapt_datetimefield_value
        values = [
            (adapt(row.timestamp), row.id.hex, *row[2:8], context_as_json(row.context), *row[9:], _group_of(row))
            for row in rows
        ]
        with (
            transaction.atomic(using=self.connection.alias),
            self.noting_rows(rows),
            self.connection.cursor() as cursor,
        ):
            return _insert(cursor, values)

    def insert_durably(self, rows: Sequence[Row]) -> int:
        """Insert like `insert`, and wait for the disk. With `synchronous=NORMAL`, a commit to a WAL does not wait."""
        if compat.in_transaction(self.connection):
            return self.insert(rows)
        with self.connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            (before,) = cursor.fetchone()
            cursor.execute("PRAGMA synchronous = FULL")
            try:
                return self.insert(rows)
            finally:
                cursor.execute(f"PRAGMA synchronous = {int(before)}")

    def abort_statement(self) -> None:
        """Do nothing: statements on SQLite have a timeout."""

    def land(self, slices: Sequence[Slice], start: int, on_conflict: OnConflict | None = None) -> dict[uuid.UUID, int]:
        """Insert all lines by one statement, and move the checkpoints, in one transaction."""
        checkpoints = self.checkpoints()
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            # Takes the write lock first. After a read, taking the lock fails at once if another connection has written
            # since.
            cursor.execute(f"UPDATE {CHECKPOINTS} SET position = position WHERE 0")
            positions = checkpoints.lock(cursor, slices, start)
            chosen = [slice_ for slice_ in slices if positions.get(slice_.segment) == slice_.start]
            values = [
                [*values_of(line), identity_of(line.split(b"\t")).id if is_grave(line) else None]
                for slice_ in chosen
                for line in slice_.lines
            ]
            if values:
                lines = [line for slice_ in chosen for line in slice_.lines]
                with self.noting_lines(lines):
                    stored = _insert(cursor, values)
                if on_conflict is not None and stored < len(values):
                    known = by_key(find(self.connection, cursor, ((value[0], value[1]) for value in values)))
                    if conflicts := conflicts_among(chosen, known):
                        on_conflict(conflicts)
            checkpoints.move(cursor, chosen)
        return positions | {slice_.segment: slice_.end for slice_ in chosen}

    def refuses_rows(self, error: Exception) -> bool:
        """Whether a constraint or a trigger refused a row, or SQLite cannot store a value."""
        return isinstance(error, IntegrityError | DataError) or (
            isinstance(error, InterfaceError) and "binding" in str(error)
        )

    def spans(self) -> list[Span]:
        """Return one span, from the oldest record to the newest."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT (SELECT min(timestamp) FROM {TABLE}), (SELECT max(timestamp) FROM {TABLE})")
            oldest, newest = (parse_datetime(text) if text else None for text in cursor.fetchone())
        if oldest is None or newest is None:
            return []
        zone = compat.zone_of(self.connection)
        return [Span(oldest.replace(tzinfo=zone), newest.replace(tzinfo=zone) + MICROSECOND)]

    def partition_spans(self) -> list[Span]:
        """Return an empty list: the table has no partitions."""
        return []

    def empty_down_to(self, instant: datetime) -> datetime:
        """Find the newest record before `instant` in the index."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT max(timestamp) FROM {TABLE} WHERE timestamp < %s", [self._adapt(instant)])
            newest = parse_datetime(cursor.fetchone()[0] or "")
        if newest is None:
            return BEGINNING
        return newest.replace(tzinfo=compat.zone_of(self.connection)) + MICROSECOND

    def compact_rollup(self) -> int:
        """Count rare sources and categories together. Triggers update rows, so there is nothing to sum up."""
        rollup.fold_rare_of_newest(self.connection)
        return 0

    @contextmanager
    def budget(self) -> Iterator[Callable[[float], None]]:
        """Interrupt a statement at its deadline, by SQLite's progress handler."""
        deadline = float("inf")

        def allow(seconds: float) -> None:
            nonlocal deadline
            deadline = time.monotonic() + seconds

        compat.connect(self.connection)
        raw: sqlite3.Connection = self.connection.connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_INSTRUCTIONS)
        try:
            yield allow
        except OperationalError as error:
            if "interrupted" in str(error):
                raise BudgetSpent from error
            raise
        finally:
            raw.set_progress_handler(None, 0)

    def partitions(self) -> list[PartitionReport]:
        """Return the table as one partition. Its rows are estimated by their rowids, its bytes are the file's."""
        spans = self.spans()
        if not spans:
            return []
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT max(rowid) - min(rowid) + 1, {BYTES_SQL} FROM {TABLE}")
            rows, size = cursor.fetchone()
        return [PartitionReport(Partition(TABLE, spans[0], size), rows, size, PartitionState.LIVE)]

    def clock(self) -> Clock:
        """Return the time of the host, and when the database file was last written."""
        name = str(self.connection.settings_dict["NAME"])
        files = [Path(name + suffix) for suffix in ("", "-wal")]
        written = [file.stat().st_mtime for file in files if file.is_file()]
        last_used = datetime.fromtimestamp(max(written), UTC) if written else None  # None: the database is in memory
        return Clock(datetime.now(UTC), last_used)

    @contextmanager
    def exclusive(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Enter the block without a lock, because each batch is a transaction of its own."""
        yield

    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """Delete the expired rows, if there are any."""
        condition = expired(expiry, self._adapt)
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*), total({condition.sql}) FROM {TABLE}", condition.values)
            rows, gone = cursor.fetchone()
        return Step(partition, Action.DELETE if gone else Action.NOTHING, rows, int(gone))

    def execute(self, step: Step, expiry: Expiry, callbacks: Callbacks) -> int:
        """Delete expired rows in batches, oldest first. After archiving, only rows that existed before are deleted."""
        condition = expired(expiry, self._adapt)
        if callbacks.archive is not None and expiry.archives(step.partition.span.lower):
            with self.connection.cursor() as cursor:
                cursor.execute(f"SELECT max(rowid) FROM {TABLE}")
                last = cursor.fetchone()[0]
            condition = Condition(f"rowid <= %s AND {condition.sql}", [last, *condition.values])
            self._archive(step.partition, expiry, callbacks.archive, last)
        if callbacks.removal.watches:
            return self._delete_by_hours(step, condition, callbacks)
        deleted, since = 0, step.partition.span.lower
        span: Span | None = None
        try:
            while True:
                with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                    cursor.execute(
                        EXPIRED_ROWS_SQL.format(condition=condition.sql), [self._adapt(since), *condition.values]
                    )
                    expired_rows = cursor.fetchall()
                    if not expired_rows:
                        return deleted
                    cursor.execute(
                        DELETE_SQL.format(marks=", ".join(["%s"] * len(expired_rows))), [row for row, _ in expired_rows]
                    )
                    gone = int(cursor.rowcount)
                deleted += gone
                oldest, since = (
                    expired_rows[place][1].replace(tzinfo=compat.zone_of(self.connection)) for place in (0, -1)
                )
                span = Span(span.lower if span else oldest, since + MICROSECOND)
                callbacks.progress(deleted)
                time.sleep(PRUNE_PAUSE_S)
        finally:
            if deleted and span:
                self.insert([callbacks.removal_record(deleted, span)])

    def _delete_by_hours(self, step: Step, condition: Condition, callbacks: Callbacks) -> int:
        """Delete the expired rows of one hour after the other, each in a transaction that also accounts for them."""
        deleted, since = 0, step.partition.span.lower
        first: Span | None = None
        oldest_sql = f"SELECT min(timestamp) FROM {TABLE} WHERE timestamp >= %s AND {condition.sql}"
        try:
            while True:
                with self.connection.cursor() as cursor:
                    cursor.execute(oldest_sql, [self._adapt(since), *condition.values])
                    oldest = parse_datetime(cursor.fetchone()[0] or "")
                if oldest is None:
                    return deleted
                lower = rollup.hour_of(oldest.replace(tzinfo=self.connection.timezone))
                hour = Span(lower, lower + rollup.HOUR)
                with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                    cursor.execute(
                        f"UPDATE {CHECKPOINTS} SET position = position WHERE 0"
                    )  # takes the write lock first
                    callbacks.removal.read(TABLE, hour, condition)
                    cursor.execute(
                        f"DELETE FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s AND {condition.sql}",
                        [*map(self._adapt, hour), *condition.values],
                    )
                    deleted += int(cursor.rowcount)
                    callbacks.removal.sign()
                since, first = hour.upper, first or hour
                callbacks.progress(deleted)
                time.sleep(PRUNE_PAUSE_S)
        finally:
            if deleted and first:
                self.insert([callbacks.removal_record(deleted, Span(first.lower, since))])

    def archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None]
    ) -> None:
        """Read the rows in batches. One snapshot is not needed, because records never change."""
        self._archive(partition, expiry, write, MAX_ROWID)

    def maintain(self, progress: Callable[[str], None]) -> None:
        """Do nothing: the table has no partitions."""

    def _archive(
        self, partition: Partition, expiry: Expiry, write: Callable[[Partition, Iterator[bytes]], None], last_rowid: int
    ) -> None:
        condition = expired(expiry, self._adapt, archived_only=True)

        def blocks() -> Iterator[bytes]:
            since, after = self._adapt(partition.span.lower), ""
            while True:
                with self.connection.cursor() as cursor:
                    cursor.execute(
                        READ_SQL.format(condition=condition.sql), [since, after, last_rowid, *condition.values]
                    )
                    rows = cursor.fetchall()
                if not rows:
                    return
                since, after = self._adapt(rows[-1][0].replace(tzinfo=compat.zone_of(self.connection))), rows[-1][1]
                yield b"".join(_line(row, compat.zone_of(self.connection)) for row in rows)

        write(partition, blocks())

    def _adapt(self, instant: datetime) -> Any:
        return self.connection.ops.adapt_datetimefield_value(instant)


def _insert(cursor: CursorWrapper, values: Sequence[Sequence[Any]]) -> int:
    """Insert rows, and return how many were not stored before."""
    whole = len(values) - len(values) % ROWS_AT_ONCE
    stored = 0
    if whole:
        parts = (values[start : start + ROWS_AT_ONCE] for start in range(0, whole, ROWS_AT_ONCE))
        cursor.executemany(INSERT_ROWS_SQL, [[value for row in part for value in row] for part in parts])
        stored += int(cursor.rowcount)
    if whole < len(values):
        cursor.executemany(INSERT_SQL, values[whole:])
        stored += int(cursor.rowcount)
    return stored


def values_of(line: bytes) -> list[str | None]:
    """Return the columns of a line as SQLite stores them."""
    values = texts(line)
    # Django's format: without the offset, and without microseconds if they are zero.
    values[0] = (values[0] or "").removesuffix("+00").removesuffix(".000000")
    return values


def _group_of(row: Row) -> str | None:
    identity = identity_of_row(row)
    return identity and identity.id


def _line(row: tuple[Any, ...], zone: tzinfo | None) -> bytes:
    record = dict(zip(COLUMNS, row, strict=True))
    record["timestamp"] = record["timestamp"].replace(tzinfo=zone)
    record["id"] = uuid.UUID(record["id"])
    if not _is_object(record["context"]):  # plain SQL can store any text
        record["context"] = json.dumps({UNREADABLE: record["context"]})
    return write_line(record)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_int=str, parse_float=str), dict)
    except (ValueError, RecursionError):
        return False
