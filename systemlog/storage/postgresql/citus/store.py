"""The storage of a Citus cluster."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import DatabaseError, OperationalError, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from systemlog import compat
from systemlog.records.copy_text import counted_by, instants
from systemlog.records.row import TABLE, Row
from systemlog.storage.calendar import Span
from systemlog.storage.checkpoints import Slice
from systemlog.storage.conflicts import OnConflict, find
from systemlog.storage.group_counts import identity_of_row
from systemlog.storage.lookups import Lookup
from systemlog.storage.partitions import PartitionReport
from systemlog.storage.postgresql import partitions
from systemlog.storage.postgresql.citus.counting import STORED, lock_days_shared
from systemlog.storage.postgresql.citus.retention import CitusRetentionStorage
from systemlog.storage.postgresql.citus.shards import NODES_SQL, with_sizes
from systemlog.storage.postgresql.errors import UNIQUE_VIOLATION, sqlstate_of
from systemlog.storage.postgresql.writing import COPY_FROM_ROWS, STAGE, STAGE_SQL, UNSTAGE_SQL, Key

REFUSED_COPY = "XX000"
"""The SQLSTATE of any error that a worker raises during a COPY: an internal error."""

DEADLOCK_DETECTED = "40P01"

DEADLOCK_TRIES = 5

T = TypeVar("T")


class CitusStorage(CitusRetentionStorage):
    """The log table on a Citus cluster."""

    # RETURNING, because the row count of a distributed INSERT includes the rows that it skipped.
    returned = STORED
    unstage_sql = f"{UNSTAGE_SQL} RETURNING {STORED}"

    def insert(self, rows: Sequence[Row]) -> int:
        """Do the same as on one PostgreSQL, and retry after a deadlock."""
        return self._retrying_deadlocks(lambda: super(CitusStorage, self).insert(rows))

    def land(self, slices: Sequence[Slice], start: int, on_conflict: OnConflict | None = None) -> dict[uuid.UUID, int]:
        """Do the same as on one PostgreSQL, and retry after a deadlock."""
        return self._retrying_deadlocks(lambda: super(CitusStorage, self).land(slices, start, on_conflict))

    def spans(self) -> list[Span]:
        """Return the spans of all partitions, because only the workers know which have rows."""
        return [partition.span for partition in self._partitions()]

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """Return None: the nodes plan for their shards each time, so a function saves nothing."""
        return None

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """Return None, for the same reason."""
        return None

    def partitions(self) -> list[PartitionReport]:
        """Return the partitions with the sizes that the nodes report for their shards."""
        known: dict[str, Counter[str]] = {}
        with self.connection.cursor() as cursor:
            reports = partitions.report_partitions(cursor)
            cursor.execute(NODES_SQL)
            for success, answer in cursor.fetchall():
                if not success:
                    raise OperationalError(f"A node of the cluster did not report its shards: {answer}")
                for name, rows, size, total in json.loads(answer):
                    known.setdefault(name, Counter()).update(rows=rows, size=size, total=total)
        return [with_sizes(report, known.get(report.partition.name, Counter())) for report in reports]

    def _insert(self, rows: Sequence[Row]) -> int:
        alias = self.connection.alias
        grouped = [(row, identity_of_row(row)) for row in rows]
        try:
            with transaction.atomic(using=alias), self.noting_rows(rows), self.connection.cursor() as cursor:
                lock_days_shared(cursor, (row.timestamp for row in rows))
                if len(rows) < COPY_FROM_ROWS:
                    return self._insert_few(cursor, grouped)
                self._copy(cursor, TABLE, grouped)
                self._count_groups(cursor, grouped)
                self._count_and_note((row.timestamp, row.source, row.category, row.level, row.id) for row in rows)
                return len(rows)
        except DatabaseError as error:
            if not self._may_be_known(error):
                raise
        with transaction.atomic(using=alias), self.noting_rows(rows), self.connection.cursor() as cursor:
            lock_days_shared(cursor, (row.timestamp for row in rows))
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
            self._copy(cursor, STAGE, grouped)
            cursor.execute(self.unstage_sql)
            new = self._new_keys(cursor)
            self._count_groups(cursor, grouped, new)
            return len(new)

    def _new_keys(self, cursor: CursorWrapper) -> set[Key]:
        """Count and note the rows that a statement with RETURNING has stored, and return their keys."""
        stored = cursor.fetchall()
        self._count_and_note(stored)
        return {(row[0], row[-1]) for row in stored}

    def _copy_lines(self, cursor: CursorWrapper, blocks: Iterable[Sequence[bytes]], *, skip_known: bool) -> None:
        blocks = list(blocks)
        lock_days_shared(cursor, instants(line for lines in blocks for line in lines))
        super()._copy_lines(cursor, blocks, skip_known=skip_known)
        if not skip_known:
            self._count(counted_by(line) for lines in blocks for line in lines)
            self._note(_key(line) for lines in blocks for line in lines)

    def _differing(self, cursor: CursorWrapper, slices: Sequence[Slice]) -> Iterable[Sequence[Any]]:
        """Return all stored rows of the keys. Citus cannot join the staging table laterally with a distributed one."""
        keys = (line.split(b"\t", 2)[:2] for slice_ in slices for line in slice_.lines)
        return find(
            self.connection,
            cursor,
            ((datetime.fromisoformat(at.decode()), uuid.UUID(key.decode())) for at, key in keys),
        )

    def _may_be_known(self, error: DatabaseError) -> bool:
        return sqlstate_of(error) in (UNIQUE_VIOLATION, REFUSED_COPY)

    def _retrying_deadlocks(self, write: Callable[[], T]) -> T:
        """Call `write`, again after a deadlock.

        Two writers of the same keys may deadlock whatever their order, each waiting for the other on another node.
        Citus cancels one of them after a few seconds.
        """
        for _ in range(DEADLOCK_TRIES - 1):
            try:
                return write()
            except OperationalError as error:
                if sqlstate_of(error) != DEADLOCK_DETECTED or compat.in_transaction(self.connection):
                    raise
        return write()


def _key(line: bytes) -> tuple[str, str]:
    timestamp, key, _ = line.split(b"\t", 2)
    return timestamp.decode(), key.decode()
