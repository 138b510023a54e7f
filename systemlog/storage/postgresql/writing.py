"""The part of the PostgreSQL storage that writes: INSERT for a few rows, COPY for many rows and for journal lines."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, cast

from django.db import DatabaseError, Error, IntegrityError, transaction
from django.db.backends.utils import CursorWrapper

from systemlog.compat import in_transaction, wrapped_errors
from systemlog.fingerprints.lines import INITIALS, is_grave
from systemlog.fingerprints.records import Identity
from systemlog.records.copy_text import LEVEL_OFFSET, instants
from systemlog.records.row import COLUMNS, TABLE, Row, context_as_json
from systemlog.storage.checkpoints import Slice
from systemlog.storage.conflicts import KEY_BYTES, OnConflict, by_key, conflicts_among, key_of
from systemlog.storage.group_counts import STORED_COLUMNS, UNGROUPED, GroupCounts, identity_of_row
from systemlog.storage.postgresql.errors import CHECK_VIOLATION, UNIQUE_VIOLATION, sqlstate_of
from systemlog.storage.postgresql.partitioned import PartitionedStorage, known_spans

COPY_FROM_ROWS = 20
"""From this number of rows on COPY is used; fewer rows are faster as one INSERT."""

REFUSING_CLASSES = ("22", "23", "44", "54", "P0")
"""SQLSTATE classes: data, integrity, check option, program limits, and errors raised by PL/pgSQL."""

COPY_SQL = f"COPY {{table}} ({STORED_COLUMNS}) FROM STDIN"

INSERT_SQL = f"INSERT INTO {TABLE} ({STORED_COLUMNS}) VALUES {{values}} ON CONFLICT (timestamp, id) DO NOTHING"

STAGE = f"{TABLE}_stage"

STAGE_SQL = f"CREATE TEMPORARY TABLE IF NOT EXISTS {STAGE} (LIKE {TABLE}) ON COMMIT DELETE ROWS"

UNSTAGE_SQL = (
    f"INSERT INTO {TABLE} ({STORED_COLUMNS}) SELECT {STORED_COLUMNS} FROM {STAGE}"
    " ON CONFLICT (timestamp, id) DO NOTHING"
)

RETURNED = "timestamp, id"
"""What a statement returns of the rows that it has stored."""

Key = tuple[datetime, uuid.UUID]
Grouped = tuple[Row, Identity | None]
"""A row with its group, None below ERROR."""

# OFFSET 0 makes PostgreSQL look each key up by itself, in its own partition.
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

# Landed records leave the journal, so the commit must wait for the disk even where the server's default does not.
WAIT_FOR_DISK_SQL = """
    SELECT set_config('synchronous_commit', 'local', true) WHERE current_setting('synchronous_commit') = 'off'
"""


class WritingStorage(PartitionedStorage):
    """A storage that inserts rows and lands journal lines."""

    returned = RETURNED
    unstage_sql = f"{UNSTAGE_SQL} RETURNING {RETURNED}"

    def insert(self, rows: Sequence[Row]) -> int:
        """Insert by COPY. If a key is already stored, repeat through a staging table, which skips it."""
        if not rows:
            return 0
        # In a fixed order, so that two writers of the same keys cannot deadlock.
        rows = sorted(rows, key=lambda row: row[:2])
        self.ensure_partitions({row.timestamp for row in rows})
        for attempt in (1, 2):
            try:
                return self._insert(rows)
            except IntegrityError as error:
                if sqlstate_of(error) != CHECK_VIOLATION:
                    raise
                # A partition in the cache of this process was dropped since.
                known_spans.pop(self._database(), None)
                if attempt == 2 or in_transaction(self.connection):
                    raise
                self.ensure_partitions({row.timestamp for row in rows})
        raise AssertionError("unreachable")

    @contextmanager
    def counting(self, rows: Iterable[Row], keys: Callable[[], Iterable[Any]]) -> Iterator[None]:
        """Count the errors among the records in the transaction of the block."""
        grouped = [(row, identity) for row in rows if (identity := identity_of_row(row))]
        if not grouped:
            yield
            return
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            yield
            self._count_groups(cursor, grouped)

    def insert_durably(self, rows: Sequence[Row]) -> int:
        """Insert like `insert`, with a COMMIT that waits for the server's disk."""
        rows = sorted(rows, key=lambda row: row[:2])
        for attempt in (1, 2):
            self.ensure_partitions({row.timestamp for row in rows})
            try:
                with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                    cursor.execute(WAIT_FOR_DISK_SQL)
                    return self._insert(rows) if rows else 0
            except IntegrityError as error:
                if sqlstate_of(error) != CHECK_VIOLATION or attempt == 2:
                    raise
                # A partition in the cache of this process was dropped since.
                known_spans.pop(self._database(), None)
        raise AssertionError("unreachable")

    def abort_statement(self) -> None:
        """Shut the connection's socket down, because a server that is frozen would not answer a cancel request."""
        raw: Any = self.connection.connection
        if raw is not None:
            # Raises an error if the other thread has closed the connection meanwhile.
            with (
                suppress(Error, OSError),
                wrapped_errors(self.connection),
                socket.socket(fileno=os.dup(raw.fileno())) as own,
            ):
                own.shutdown(socket.SHUT_RDWR)

    def land(self, slices: Sequence[Slice], start: int, on_conflict: OnConflict | None = None) -> dict[uuid.UUID, int]:
        """Copy the lines unchanged. If a key is already stored, repeat through the staging table."""
        timestamps = instants(line for slice_ in slices for line in slice_.lines)
        self.ensure_partitions(timestamps)
        skip_known = False
        for attempt in range(3):
            try:
                return self._land(slices, start, on_conflict, skip_known=skip_known)
            except DatabaseError as error:
                if not skip_known and self._may_be_known(error):
                    skip_known = True
                elif sqlstate_of(error) == CHECK_VIOLATION and _lacks_partition(error) and attempt < 2:
                    # A partition in the cache of this process was dropped since.
                    known_spans.pop(self._database(), None)
                    self.ensure_partitions(timestamps)
                else:
                    raise
        raise AssertionError("unreachable")

    def refuses_rows(self, error: Exception) -> bool:
        """Whether a value, a constraint or a trigger refused a row, or a row is too large for an index."""
        return (sqlstate_of(error) or "")[:2] in REFUSING_CLASSES

    def _insert(self, rows: Sequence[Row]) -> int:
        alias = self.connection.alias
        grouped = [(row, identity_of_row(row)) for row in rows]
        if len(rows) < COPY_FROM_ROWS:
            with self.noting_rows(rows), self.connection.cursor() as cursor:
                if not any(identity for _, identity in grouped):
                    cursor.execute(*insertion(grouped))
                    return int(cursor.rowcount)
                with transaction.atomic(using=alias):
                    return self._insert_few(cursor, grouped)
        try:
            with transaction.atomic(using=alias), self.noting_rows(rows), self.connection.cursor() as cursor:
                self._copy(cursor, TABLE, grouped)
                self._count_groups(cursor, grouped)
                return len(rows)
        except DatabaseError as error:
            if not self._may_be_known(error):
                raise
        with transaction.atomic(using=alias), self.noting_rows(rows), self.connection.cursor() as cursor:
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
            self._copy(cursor, STAGE, grouped)
            cursor.execute(self.unstage_sql)
            new = self._new_keys(cursor)
            self._count_groups(cursor, grouped, new)
            return len(new)

    def _insert_few(self, cursor: CursorWrapper, grouped: Sequence[Grouped]) -> int:
        statement, values = insertion(grouped)
        cursor.execute(f"{statement} RETURNING {self.returned}", values)
        new = self._new_keys(cursor)
        self._count_groups(cursor, grouped, new)
        return len(new)

    def _new_keys(self, cursor: CursorWrapper) -> set[Key]:
        """Return the keys of the rows that a statement with RETURNING has stored."""
        return {(row[0], row[1]) for row in cursor.fetchall()}

    def _count_groups(self, cursor: CursorWrapper, grouped: Iterable[Grouped], new: set[Key] | None = None) -> None:
        """Count the rows in their error groups: all of them, or those with the keys `new`, each once."""
        counts = GroupCounts()
        left = None if new is None else set(new)
        for row, identity in grouped:
            if identity is not None:
                if left is not None:
                    if row[:2] not in left:
                        continue
                    left.remove(row[:2])
                counts.add(row, identity)
        if counts:
            counts.write(cursor)

    def _land(
        self, slices: Sequence[Slice], start: int, on_conflict: OnConflict | None, *, skip_known: bool
    ) -> dict[uuid.UUID, int]:
        checkpoints = self.checkpoints()
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(WAIT_FOR_DISK_SQL)
            positions = checkpoints.lock(cursor, slices, start)
            chosen = [slice_ for slice_ in slices if positions.get(slice_.segment) == slice_.start]
            lines = [line for slice_ in chosen for line in slice_.lines]
            if lines:
                with self.noting_lines(lines):
                    self._copy_lines(cursor, [slice_.lines for slice_ in chosen], skip_known=skip_known)
                if skip_known and on_conflict is not None:
                    known = by_key(self._differing(cursor, chosen))
                    if conflicts := conflicts_among(chosen, known):
                        on_conflict(conflicts)
            checkpoints.move(cursor, chosen)
        return positions | {slice_.segment: slice_.end for slice_ in chosen}

    def _copy(self, cursor: CursorWrapper, table: str, grouped: Iterable[Grouped]) -> None:
        with wrapped_errors(self.connection), cursor.copy(COPY_SQL.format(table=table)) as copy:
            for each in grouped:
                copy.write_row(values_of(*each))

    def _copy_lines(self, cursor: CursorWrapper, blocks: Iterable[Sequence[bytes]], *, skip_known: bool) -> None:
        if skip_known:
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
        blocks = list(blocks)
        counts = GroupCounts()
        with (
            wrapped_errors(self.connection),
            cursor.copy(COPY_SQL.format(table=STAGE if skip_known else TABLE)) as copy,
        ):
            for lines in blocks:
                # As in `is_grave`; a call for each line would take longer than all else here.
                copy.write(
                    b"".join(
                        [
                            line + (counts.add_line(line) if line[LEVEL_OFFSET] in INITIALS else UNGROUPED)
                            for line in lines
                        ]
                    )
                )
        if skip_known:
            cursor.execute(self.unstage_sql)
            counts = self._count_new_lines(cursor, blocks)
        if counts:
            counts.write(cursor)

    def _count_new_lines(self, cursor: CursorWrapper, blocks: Iterable[Sequence[bytes]]) -> GroupCounts:
        """Count the lines that the staging table's statement has stored, each once."""
        counts = GroupCounts()
        new = {key_of(timestamp.astimezone(UTC), record_id) for timestamp, record_id in self._new_keys(cursor)}
        for lines in blocks:
            for line in lines:
                if is_grave(line) and line[:KEY_BYTES] in new:
                    new.remove(line[:KEY_BYTES])
                    counts.add_line(line)
        return counts

    def _differing(self, cursor: CursorWrapper, slices: Sequence[Slice]) -> Iterable[Sequence[Any]]:
        """Return the stored rows that differ from the row of the staging table with the same key.

        Other stored rows with these keys may be among them.
        """
        cursor.execute(DIFFERING_SQL)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def _may_be_known(self, error: DatabaseError) -> bool:
        """Whether a COPY may have failed because a key is already stored."""
        return sqlstate_of(error) == UNIQUE_VIOLATION


def insertion(grouped: Sequence[Grouped]) -> tuple[str, list[Any]]:
    """Return the statement that inserts the rows whose keys are new, and its values."""
    marks = ", ".join(["(" + ", ".join(["%s"] * (len(COLUMNS) + 1)) + ")"] * len(grouped))
    return INSERT_SQL.format(values=marks), [value for each in grouped for value in values_of(*each)]


def values_of(row: Row, identity: Identity | None) -> list[Any]:
    """Return the column values of a row and its group as the driver expects them."""
    values: list[Any] = [*row, identity and identity.id]
    values[COLUMNS.index("context")] = context_as_json(row.context)
    return values


def _lacks_partition(error: Exception) -> bool:
    """Whether a partition was missing. A violated CHECK constraint has a name, a missing partition has none."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) is None
