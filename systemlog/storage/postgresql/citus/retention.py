"""Retention on a Citus cluster: expired rows are deleted in batches instead of rewriting partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from django.db import DatabaseError, transaction
from django.db.backends.utils import CursorWrapper

from systemlog.records.ndjson import write_line
from systemlog.records.row import COLUMNS, TABLE, JSONText, Row
from systemlog.storage.calendar import Span
from systemlog.storage.conditions import NOTHING, Condition, expired
from systemlog.storage.expiry import Expiry
from systemlog.storage.group_counts import STORED_COLUMNS, uncount
from systemlog.storage.partitions import Partition, PartitionInUse
from systemlog.storage.postgresql import partitions, rewrite
from systemlog.storage.postgresql.citus.counting import DAYS_SQL, CountingStorage, days_between
from systemlog.storage.postgresql.retention import DELETE_BATCH, LINES_SQL, unadapted
from systemlog.storage.pruning import Action, Callbacks, Step
from systemlog.storage.rollup import ROLLUP

BATCH_SQL = f"""
    SELECT min(timestamp), max(timestamp) FROM (
        SELECT timestamp FROM {{partition}} WHERE {{condition}} ORDER BY timestamp LIMIT {DELETE_BATCH}
    ) batch
"""

DELETE_SQL = f"""
    DELETE FROM {{partition}} WHERE timestamp <= %s AND {{condition}}
    RETURNING {STORED_COLUMNS.replace("context", "context::text")}
"""

MERGED = f"{TABLE}_merged_"

MOVE_LATE_SQL = f"""
    INSERT INTO {TABLE} ({STORED_COLUMNS}) SELECT {STORED_COLUMNS} FROM {{table}} old
    WHERE NOT EXISTS (SELECT 1 FROM {TABLE} WHERE {TABLE}.id = old.id AND {TABLE}.timestamp = old.timestamp)
    ON CONFLICT (timestamp, id) DO NOTHING
"""

CONTEXT, LEVEL, SOURCE = map(COLUMNS.index, ("context", "level", "source"))


class CitusRetentionStorage(CountingStorage):
    """A storage that prunes and merges the partitions of a distributed table."""

    # The rows of several shards have no common order without ORDER BY.
    lines_sql = f"{LINES_SQL} ORDER BY line.timestamp, line.id"

    @contextmanager
    def exclusive(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Do the same as on one PostgreSQL, with the lock timeouts applied on the workers too."""
        with self.connection.cursor() as cursor:
            cursor.execute("SET citus.propagate_set_commands = 'local'")
        try:
            with super().exclusive(waiting):
                self._move_late()
                yield
        finally:
            # An error of the block itself matters more than one of this statement.
            with suppress(DatabaseError), self.connection.cursor() as cursor:
                cursor.execute("RESET citus.propagate_set_commands")

    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """Drop a partition whose whole span has expired; otherwise delete the expired rows."""
        step = super().plan(partition, expiry)
        return step._replace(action=Action.DELETE) if step.action is Action.REWRITE else step

    def execute(self, step: Step, expiry: Expiry, callbacks: Callbacks) -> int:
        """Drop the partition, or delete its expired rows.

        Rows to archive are deleted while they are read, in one transaction. A row that is inserted meanwhile is neither
        archived nor deleted.
        """
        partition, archive = step.partition, callbacks.archive
        if archive is None or not step.rows or not expiry.archives(partition.span.lower):
            went = super().execute(step, expiry, callbacks)
        else:
            went = self._archive_and_delete(partition, expiry, callbacks, archive)
        if step.rows == went and step.action is not Action.NOTHING and self._may_be_dropped(partition, expiry):
            self._drop_empty(partition)
        return went

    def _archive_and_delete(
        self,
        partition: Partition,
        expiry: Expiry,
        callbacks: Callbacks,
        archive: Callable[[Partition, Iterator[bytes]], None],
    ) -> int:
        self.ensure_partitions([datetime.now(UTC)])  # for the record about the removal
        gone, archived = (expired(expiry, unadapted, archived_only=only) for only in (False, True))
        went = 0

        def blocks() -> Iterator[bytes]:
            nonlocal went
            while batch := self._delete_batch(partition, archived):
                went += len(batch)
                yield b"".join(write_line(row._asdict()) for row in sorted(batch, key=lambda row: row[:2]))
                callbacks.progress(went)

        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            if callbacks.removal.watches:
                self._freeze(cursor, partition.span)
                callbacks.removal.read(partition.name, partition.span, archived)
            archive(partition, blocks())
            callbacks.removal.sign()
            if went:
                self._insert([callbacks.removal_record(went, partition.span)])
        unarchived = Condition(f"{gone.sql} AND NOT {archived.sql}", [*gone.values, *archived.values])
        if callbacks.removal.watches:
            return went + self._delete_by_hours(partition, unarchived, callbacks)
        return went + self._delete(partition, unarchived, callbacks)

    def _freeze(self, cursor: CursorWrapper, span: Span) -> None:
        """Keep writers of these days out: there is no snapshot of the whole table."""
        cursor.execute(DAYS_SQL.format(shared=""), [ROLLUP, days_between(*span)])

    def _delete_at_once(self, cursor: CursorWrapper, partition: Partition, condition: Condition) -> int:
        gone = 0
        while batch := self._delete_batch(partition, condition):
            gone += len(batch)
        return gone

    def _drop_empty(self, partition: Partition) -> None:
        if partition.name not in {there.name for there in self._partitions()}:
            return
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"VACUUM {partition.name}"
            )  # without it, checking under a lock whether it is empty takes long
        with suppress(PartitionInUse):  # an empty partition does no harm, and the next run tries again
            rewrite.drop_if_empty(self.connection, partition)
            rewrite.clear(self.connection, self.recount_rollup)

    def _delete(self, partition: Partition, condition: Condition, callbacks: Callbacks) -> int:
        deleted = 0
        while True:
            with transaction.atomic(using=self.connection.alias):
                gone = len(self._delete_batch(partition, condition))
                if gone:
                    self._insert([callbacks.removal_record(gone, partition.span)])
            deleted += gone
            if not gone:
                return deleted
            callbacks.progress(deleted)

    def _delete_batch(self, partition: Partition, condition: Condition) -> list[Row]:
        """Delete the oldest rows, count them, and return them with their contexts as stored."""
        with self.connection.cursor() as cursor:
            cursor.execute(BATCH_SQL.format(partition=partition.name, condition=condition.sql), condition.values)
            first, last = cursor.fetchone()
            if first is None:
                return []
            cursor.execute(DAYS_SQL.format(shared="_shared"), [ROLLUP, days_between(first, last)])
            cursor.execute(
                DELETE_SQL.format(partition=partition.name, condition=condition.sql), [last, *condition.values]
            )
            deleted = cursor.fetchall()
            batch = [Row(*row[:-1])._replace(context=JSONText(row[CONTEXT])) for row in deleted]
            groups = Counter((row[-1], row[SOURCE], row[LEVEL]) for row in deleted if row[-1] is not None)
            uncount(cursor, ((*key, number) for key, number in groups.items()))
        self._count(((row.timestamp, row.source, row.category, row.level) for row in batch), -1)
        return batch

    def _merge(self, old: Sequence[Partition], span: Span) -> None:
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            partitions.create_table(cursor, rewrite.NEW, span)
            cursor.execute(f"SELECT create_distributed_table('{rewrite.NEW}', 'id', colocate_with := '{TABLE}')")
            for partition in old:
                cursor.execute(rewrite.COPY_SQL.format(partition=partition.name, gone=NOTHING))
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            rewrite.lock_partitions(self.connection, cursor, old)
            rewrite.detach(cursor, old, MERGED)
            name = partitions.free_name(cursor, span)
            cursor.execute(f"ALTER TABLE {rewrite.NEW} RENAME TO {name}")
            partitions.attach(cursor, name, span)
        self._move_late()

    def _move_late(self) -> None:
        """Move the rows that merged partitions received after they were copied, also those of an interrupted merge."""
        with self.connection.cursor() as cursor:
            cursor.execute(rewrite.DETACHED_SQL, [MERGED])
            for (name,) in cursor.fetchall():
                cursor.execute(MOVE_LATE_SQL.format(table=name))
                cursor.execute(f"DROP TABLE {name}")
