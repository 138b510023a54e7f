"""The log table on a Citus cluster: distributed by `id`, so that each leaf is as many shards, on as many nodes.

Clients talk to the coordinator alone. Statements on the table are PostgreSQL's own; what a cluster knows not, or does
otherwise, stands here:

- No trigger may touch another table, so writers count for the roll-up themselves. That is one shard on one worker: a
  reader sees either all of a transaction there or nothing, which nodes do not promise each other.
- There is no snapshot of the whole table, no `ctid`, and no trigger that keeps late rows. So a leaf is never copied
  under inserts to be put in its own place: of a mixed one, rows are deleted. Leaves are merged by putting the copy in
  place first, and moving over afterwards what came late.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, OperationalError, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from systemlog.records.copy_text import counted_by, instants
from systemlog.records.ndjson import write_line
from systemlog.records.row import COLUMN_LIST, COLUMNS, TABLE, JSONText, Row
from systemlog.storage import rollup
from systemlog.storage.calendar import Span
from systemlog.storage.checkpoints import Slice
from systemlog.storage.conditions import NOTHING, Condition, expired
from systemlog.storage.expiry import Expiry
from systemlog.storage.known import SetApart, find
from systemlog.storage.lookups import Lookup
from systemlog.storage.postgresql import partitions, rewrite
from systemlog.storage.postgresql.errors import UNIQUE_VIOLATION, sqlstate_of
from systemlog.storage.postgresql.store import (
    COPY_FROM_ROWS,
    DELETE_BATCH,
    LINES_SQL,
    STAGE,
    STAGE_SQL,
    UNSTAGE_SQL,
    PostgreSQLStorage,
    insertion,
)
from systemlog.storage.rollup import ROLLUP, hour_of
from systemlog.storage.steps import Action, Orders, Partition, PartitionInUse, PartitionReport, Step

DISTRIBUTED_BY: Mapping[str, str | None] = {TABLE: "id", ROLLUP: None}
"""The tables that are distributed, and by which column; None: as one shard."""

EXTENSION_SQL = "SELECT count(*) FROM pg_extension WHERE extname = 'citus'"
IS_DISTRIBUTED_SQL = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = to_regclass(%s)"

COUNTED = "timestamp, source, category, level"
"""The columns that the roll-up counts by."""

REFUSED_COPY = "XX000"
"""What a worker refuses while it takes a COPY comes back as an internal error, whatever it was."""

DEADLOCK_DETECTED = "40P01"
DEADLOCK_TRIES = 5

# The coordinator's own tables are empty: each node is asked for the rows, their bytes and all bytes of its shards.
SHARDS_SQL = """
    SELECT logicalrelid::regclass::text,
        sum(CASE WHEN reltuples > 0 THEN reltuples ELSE pg_stat_get_live_tuples(pg_class.oid) END),
        sum(pg_relation_size(pg_class.oid)), sum(pg_total_relation_size(pg_class.oid))
    FROM pg_dist_shard JOIN pg_dist_placement USING (shardid)
    JOIN pg_class ON pg_class.oid = to_regclass(shard_name(logicalrelid, shardid))
    WHERE groupid = (SELECT groupid FROM pg_dist_local_group) GROUP BY logicalrelid
"""
NODES_SQL = f"""
    SELECT success, result FROM run_command_on_all_nodes($$
        SELECT coalesce(json_agg(json_build_array(leaf, rows, bytes, total)), '[]')
        FROM ({SHARDS_SQL}) each_of (leaf, rows, bytes, total)
    $$)
"""

BATCH_SQL = f"""
    SELECT min(timestamp), max(timestamp) FROM (
        SELECT timestamp FROM {{partition}} WHERE {{condition}} ORDER BY timestamp LIMIT {DELETE_BATCH}
    ) batch
"""
DELETE_SQL = f"""
    DELETE FROM {{partition}} WHERE timestamp <= %s AND {{condition}}
    RETURNING {COLUMN_LIST.replace("context", "context::text")}
"""

MERGED = f"{TABLE}_merged_"
MOVE_LATE_SQL = f"""
    INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM {{table}} old
    WHERE NOT EXISTS (SELECT 1 FROM {TABLE} WHERE {TABLE}.id = old.id AND {TABLE}.timestamp = old.timestamp)
    ON CONFLICT (timestamp, id) DO NOTHING
"""

RECOUNTED_SQL = f"""
    SELECT date_trunc('hour', timestamp, 'UTC'), source, category, level, count(*)
    FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s GROUP BY 1, 2, 3, 4
"""

# A transaction is not seen at one instant on all nodes: whoever counts rows anew waits for those that have written some
# of the same days and are not through on every node, and keeps others out. They ask before they write, holding nothing
# yet that somebody might wait for.
DAYS_SQL = "SELECT count(pg_advisory_xact_lock{shared}(hashtext(%s), day)) FROM unnest(%s::int[]) day"
DAYS = 4000
"""Of so many days each has a lock of its own, more than a decade; then they come round again. A partition may have all
days before 1970, and PostgreSQL has no room for so many locks."""

PUT_SQL = f"COPY {ROLLUP} (hour, source, category, level, count, delta) FROM STDIN"

CONTEXT = COLUMNS.index("context")

Counted = tuple[datetime, str, str, str]
T = TypeVar("T")


class CitusStorage(PostgreSQLStorage):
    """The partitioned table, distributed."""

    # Its own number of rows has those in it that were there before.
    unstage_sql = f"{UNSTAGE_SQL} RETURNING {COUNTED}"

    # Each shard has an order of its own.
    lines_sql = f"{LINES_SQL} ORDER BY line.timestamp, line.id"

    def insert(self, rows: Sequence[Row]) -> int:
        """As on one PostgreSQL."""
        return self._despite_deadlocks(lambda: super(CitusStorage, self).insert(rows))

    def land(self, slices: Sequence[Slice], start: int, set_apart: SetApart | None = None) -> dict[uuid.UUID, int]:
        """As on one PostgreSQL."""
        return self._despite_deadlocks(lambda: super(CitusStorage, self).land(slices, start, set_apart))

    def spans(self) -> list[Span]:
        """All leaves: which of them hold a row, only the workers know."""
        return [partition.span for partition in self._partitions()]

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """None: the nodes plan for their shards each time."""
        return None

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """None, for the same reason."""
        return None

    @contextmanager
    def counting(self, rows: Iterable[Counted]) -> Iterator[None]:
        """In one transaction with the block."""
        rows = list(rows)
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            _enter_days(cursor, (timestamp for timestamp, *_ in rows))
            yield
            self._count(rows)

    def recount_rollup(self, span: Span) -> None:
        """While nobody else writes records of these days."""
        bounds = rollup.whole_hours(span)
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            rollup.hold(cursor)
            cursor.execute(DAYS_SQL.format(shared=""), [ROLLUP, _days(*bounds)])
            cursor.execute(RECOUNTED_SQL, bounds)
            counted = cursor.fetchall()
            cursor.execute(f"DELETE FROM {ROLLUP} WHERE hour >= %s AND hour < %s", bounds)
            self._put([(*row, "f") for row in counted])

    def partitions(self) -> list[PartitionReport]:
        """As the nodes tell of their shards."""
        known: dict[str, Counter[str]] = {}
        with self.connection.cursor() as cursor:
            reports = partitions.report_partitions(cursor)
            cursor.execute(NODES_SQL)
            for success, answer in cursor.fetchall():
                if not success:
                    raise OperationalError(f"A node of the cluster could not be asked for its shards: {answer}")
                for name, rows, size, total in json.loads(answer):
                    known.setdefault(name, Counter()).update(rows=rows, size=size, total=total)
        return [_with_sizes(report, known.get(report.partition.name, Counter())) for report in reports]

    @contextmanager
    def exclusive(self, waiting: Callable[[], None]) -> Iterator[None]:
        """As on one PostgreSQL; what is waited for on a worker is not waited for longer either."""
        with self.connection.cursor() as cursor:
            cursor.execute("SET citus.propagate_set_commands = 'local'")
        try:
            with super().exclusive(waiting):
                self._move_late()
                yield
        finally:
            with suppress(DatabaseError), self.connection.cursor() as cursor:  # what ended the block matters more
                cursor.execute("RESET citus.propagate_set_commands")

    def plan(self, partition: Partition, expiry: Expiry) -> Step:
        """Drop a leaf all of whose span is past; of another one, delete."""
        step = super().plan(partition, expiry)
        return step._replace(action=Action.DELETE) if step.action is Action.REPLACE else step

    def execute(self, step: Step, expiry: Expiry, orders: Orders) -> int:
        """Drop, or delete. Records to be archived are deleted while they are read, in one transaction: one that comes
        meanwhile is neither archived nor deleted.
        """
        partition, archive = step.partition, orders.archive
        if archive is None or not step.rows or not expiry.archives(partition.span.lower):
            went = super().execute(step, expiry, orders)
        else:
            went = self._archive_and_delete(partition, expiry, orders, archive)
        if step.rows == went and step.action is not Action.NOTHING and self._settled(partition, expiry):
            self._drop_empty(partition)
        return went

    def _archive_and_delete(
        self,
        partition: Partition,
        expiry: Expiry,
        orders: Orders,
        archive: Callable[[Partition, Iterator[bytes]], None],
    ) -> int:
        self.ensure_partitions([datetime.now(UTC)])  # for the note
        gone, archived = (expired(expiry, _same, archived_only=only) for only in (False, True))
        went = 0

        def blocks() -> Iterator[bytes]:
            nonlocal went
            while batch := self._delete_batch(partition, archived):
                went += len(batch)
                yield b"".join(write_line(row._asdict()) for row in sorted(batch, key=lambda row: row[:2]))
                orders.progress(went)

        with transaction.atomic(using=self.connection.alias):
            archive(partition, blocks())
            if went:
                self._insert([orders.note(went)])
        unarchived = Condition(f"{gone.sql} AND NOT {archived.sql}", [*gone.values, *archived.values])
        return went + self._delete(partition, unarchived, orders)

    def _drop_empty(self, partition: Partition) -> None:
        if partition.name not in {there.name for there in self._partitions()}:
            return
        with self.connection.cursor() as cursor:
            cursor.execute(f"VACUUM {partition.name}")  # or the look whether it is empty takes long, under a lock
        with suppress(PartitionInUse):  # an empty leaf does no harm, and the next run sees it again
            rewrite.drop_if_empty(self.connection, partition)
            rewrite.clear(self.connection, self.recount_rollup)

    def _insert(self, rows: Sequence[Row]) -> int:
        alias = self.connection.alias
        try:
            with transaction.atomic(using=alias), self.connection.cursor() as cursor:
                _enter_days(cursor, (row.timestamp for row in rows))
                if len(rows) < COPY_FROM_ROWS:
                    statement, values = insertion(rows)
                    cursor.execute(f"{statement} RETURNING {COUNTED}", values)
                    stored = cursor.fetchall()
                else:
                    self._copy(cursor, TABLE, rows)
                    stored = [(row.timestamp, row.source, row.category, row.level) for row in rows]
                self._count(stored)
                return len(stored)
        except DatabaseError as error:
            if not self._may_be_known(error):
                raise
        with transaction.atomic(using=alias), self.connection.cursor() as cursor:
            _enter_days(cursor, (row.timestamp for row in rows))
            cursor.execute(STAGE_SQL)
            cursor.execute(f"TRUNCATE {STAGE}")
            self._copy(cursor, STAGE, rows)
            cursor.execute(self.unstage_sql)
            stored = cursor.fetchall()
            self._count(stored)
            return len(stored)

    def _copy_lines(self, cursor: CursorWrapper, blocks: Iterable[Sequence[bytes]], *, skip_known: bool) -> None:
        blocks = list(blocks)
        _enter_days(cursor, instants(line for lines in blocks for line in lines))
        super()._copy_lines(cursor, blocks, skip_known=skip_known)
        self._count(cursor.fetchall() if skip_known else (counted_by(line) for lines in blocks for line in lines))

    def _differing(self, cursor: CursorWrapper, slices: Sequence[Slice]) -> Iterable[Sequence[Any]]:
        """All stored rows of the keys: a table of the coordinator alone is not joined with each row of the workers."""
        keys = (line.split(b"\t", 2)[:2] for slice_ in slices for line in slice_.lines)
        return find(
            self.connection,
            cursor,
            ((datetime.fromisoformat(at.decode()), uuid.UUID(key.decode())) for at, key in keys),
        )

    def _may_be_known(self, error: DatabaseError) -> bool:
        return sqlstate_of(error) in (UNIQUE_VIOLATION, REFUSED_COPY)

    def _delete(self, partition: Partition, condition: Condition, orders: Orders) -> int:
        deleted = 0
        while True:
            with transaction.atomic(using=self.connection.alias):
                gone = len(self._delete_batch(partition, condition))
                if gone:
                    self._insert([orders.note(gone)])
            deleted += gone
            if not gone:
                return deleted
            orders.progress(deleted)

    def _delete_batch(self, partition: Partition, condition: Condition) -> list[Row]:
        """Delete the oldest rows, and count them; gives them, with their contexts as they are stored."""
        with self.connection.cursor() as cursor:
            cursor.execute(BATCH_SQL.format(partition=partition.name, condition=condition.sql), condition.values)
            first, last = cursor.fetchone()
            if first is None:
                return []
            cursor.execute(DAYS_SQL.format(shared="_shared"), [ROLLUP, _days(first, last)])
            cursor.execute(
                DELETE_SQL.format(partition=partition.name, condition=condition.sql), [last, *condition.values]
            )
            batch = [Row(*row)._replace(context=JSONText(row[CONTEXT])) for row in cursor.fetchall()]
        self._count(((row.timestamp, row.source, row.category, row.level) for row in batch), -1)
        return batch

    def _merge(self, old: Sequence[Partition], span: Span) -> None:
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            partitions.create_table(cursor, rewrite.NEW, span)
            cursor.execute(f"SELECT create_distributed_table('{rewrite.NEW}', 'id', colocate_with := '{TABLE}')")
            for partition in old:
                cursor.execute(rewrite.COPY_SQL.format(partition=partition.name, gone=NOTHING))
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            rewrite.lock(self.connection, cursor, old)
            rewrite.take_out(cursor, old, MERGED)
            name = partitions.free_name(cursor, span)
            cursor.execute(f"ALTER TABLE {rewrite.NEW} RENAME TO {name}")
            partitions.attach(cursor, name, span)
        self._move_late()

    def _move_late(self) -> None:
        """Move what came into merged leaves after they were copied; an interrupted merge may have left it there."""
        with self.connection.cursor() as cursor:
            cursor.execute(rewrite.TAKEN_OUT_SQL, [MERGED])
            for (name,) in cursor.fetchall():
                cursor.execute(MOVE_LATE_SQL.format(table=name))
                cursor.execute(f"DROP TABLE {name}")

    def _put(self, rows: Sequence[tuple[object, ...]]) -> None:
        # By COPY: each statement is a way to a worker and back.
        if rows:
            with self.connection.cursor() as cursor, self.connection.wrap_database_errors, cursor.copy(PUT_SQL) as copy:
                for row in rows:
                    copy.write_row(row)

    def _count(self, rows: Iterable[Counted], times: int = 1) -> None:
        counts = Counter((hour_of(timestamp.astimezone(UTC)), *names) for timestamp, *names in rows)
        self._put([(*key, times * count, "t") for key, count in counts.items()])

    def _despite_deadlocks(self, write: Callable[[], T]) -> T:
        """Two writers of the same keys may deadlock here, whatever their order: each waits for the other on another
        node. Citus cancels one of them after some seconds, which then writes once more.
        """
        for _ in range(DEADLOCK_TRIES - 1):
            try:
                return write()
            except OperationalError as error:
                if sqlstate_of(error) != DEADLOCK_DETECTED or self.connection.in_atomic_block:
                    raise
        return write()


def is_distributed(cursor: CursorWrapper) -> bool | None:
    """Whether the log table is distributed; None if there is no such table."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
    if not cursor.fetchone()[0]:
        return None
    return _has_extension(cursor) and _is_distributed(cursor, TABLE)


def distribute(cursor: CursorWrapper) -> None:
    """Distribute the tables over the nodes of the cluster, with the rows that they have; call it in a transaction.

    Writers wait until it is done. Raises `ImproperlyConfigured` where the database has no Citus.
    """
    if not _has_extension(cursor):
        raise ImproperlyConfigured(
            "SYSTEMLOG['CITUS'] is on, but the log's database does not have the extension citus: create it on each "
            "node, and add the workers (docs/scale.md says how), or turn CITUS off."
        )
    if _is_distributed(cursor, TABLE):
        return
    for trigger in rollup.TRIGGERS:
        cursor.execute(f"DROP TRIGGER {trigger} ON {TABLE}")
    # Citus takes no trigger unless it is told that somebody has thought about it: the guard against changes reads
    # and writes nothing, so that no node can see another's transaction half done.
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    for table, column in DISTRIBUTED_BY.items():
        cursor.execute("SELECT create_distributed_table(%s, %s)", [table, column])
        # The rows were copied to the workers; the coordinator's own would stay on its disk.
        cursor.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])


def undistribute(cursor: CursorWrapper) -> bool:
    """Bring the log table back to the coordinator, with its rows, if it is distributed; call it in a transaction.

    Gives whether it was. Citus does not bring the roll-up back, whose key is an identity column, and the triggers that
    keep it are not made.
    """
    if not _has_extension(cursor) or not _is_distributed(cursor, TABLE):
        return False
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    cursor.execute("SELECT undistribute_table(%s)", [TABLE])
    return True


def _has_extension(cursor: CursorWrapper) -> bool:
    cursor.execute(EXTENSION_SQL)
    return bool(cursor.fetchone()[0])


def _is_distributed(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(IS_DISTRIBUTED_SQL, [table])
    return bool(cursor.fetchone()[0])


def _with_sizes(report: PartitionReport, sizes: Mapping[str, float]) -> PartitionReport:
    partition = report.partition._replace(size_bytes=int(sizes["size"]))
    return report._replace(partition=partition, rows=round(sizes["rows"]), total_bytes=int(sizes["total"]))


def _enter_days(cursor: CursorWrapper, timestamps: Iterable[datetime]) -> None:
    cursor.execute(DAYS_SQL.format(shared="_shared"), [ROLLUP, _locks(map(_day, timestamps))])


def _days(lower: datetime, upper: datetime) -> list[int]:
    first = _day(lower)
    return _locks(range(first, min(_day(upper) + 1, first + DAYS)))


def _day(instant: datetime) -> int:
    return instant.astimezone(UTC).toordinal()


def _locks(days: Iterable[int]) -> list[int]:
    # In one order, so that nobody waits for another who waits for it.
    return sorted({day % DAYS for day in days})


def _same(instant: datetime) -> datetime:
    return instant
