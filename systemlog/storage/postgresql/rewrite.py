"""Dropping and rewriting partitions of `system_logs` on PostgreSQL.

A rewrite copies the rows that stay into a new table while inserts go on. Before the copy begins, a trigger starts to
save rows that are inserted late into a table of their own. At the end one short transaction locks the parent table,
adds the last late rows, and swaps the partitions. The lock is therefore never held while a partition is read. The lock
is requested repeatedly with a timeout of 40 ms, because all inserts queue behind a pending request.

An interrupted run leaves tables of fixed names, and the trigger; `clear()` removes them. The caller must hold the lock
of retention (`PostgreSQLStorage.exclusive`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.records.ids import MICROSECOND
from systemlog.records.row import TABLE
from systemlog.storage import rollup
from systemlog.storage.advisory_locks import LOCK_SQL, PARTITIONS_LOCK
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.conditions import ALL, NOTHING, Condition
from systemlog.storage.group_counts import GROUP, STORED_COLUMNS, UNCOUNTED_SQL, uncount
from systemlog.storage.partitions import Partition, PartitionInUse
from systemlog.storage.postgresql import partitions
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of
from systemlog.storage.postgresql.partitions import LATE_TRIGGER

NEW = f"{TABLE}_new"
LATE = f"{TABLE}_late"
OLD = f"{TABLE}_old_"
"""Prefix of the table of a partition that was dropped with all its rows, before its oid."""

REPLACED = f"{TABLE}_replaced_"
"""Prefix of the table of a partition that was rewritten. Another table has the rows that stayed."""

LOCK_MS = 40
TRIES = 60
PAUSE_S = 0.1
VACUUM_GIVES_WAY_S = 5
"""PostgreSQL cancels autovacuum when a lock has waited for it for a second (`deadlock_timeout`)."""

FEW_ROWS = 200
"""At most this many late rows are left to be copied under the lock."""

ROUNDS = 100


FUNCTION_SQL = f"""
    CREATE FUNCTION {LATE}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'Retention is copying the rows of this partition: delete again in a while.'
                USING ERRCODE = 'lock_not_available';
        END IF;
        INSERT INTO {LATE} SELECT NEW.*;
        RETURN NULL;
    END $$
"""
# ALWAYS, so that the trigger also sees rows that logical replication applies.
TRIGGER_SQL = f"""
    CREATE TRIGGER {LATE_TRIGGER} AFTER INSERT OR DELETE ON {{partition}} FOR EACH ROW EXECUTE FUNCTION {LATE}();
    ALTER TABLE {{partition}} ENABLE ALWAYS TRIGGER {LATE_TRIGGER}
"""
COPY_SQL = f"INSERT INTO {NEW} ({STORED_COLUMNS}) SELECT {STORED_COLUMNS} FROM {{partition}} WHERE NOT {{gone}}"
GROUPS_SQL = f"""
    SELECT {GROUP}, source, level, count(*) FROM {{partition}} WHERE {GROUP} IS NOT NULL AND {{gone}} GROUP BY 1, 2, 3
"""

# A row that was committed between the creation of the trigger and the snapshot of the copy is in both tables.
CATCH_UP_SQL = f"""
    WITH late AS (DELETE FROM {LATE} RETURNING *)
    INSERT INTO {NEW} ({STORED_COLUMNS}) SELECT {STORED_COLUMNS} FROM late ON CONFLICT (timestamp, id) DO NOTHING
"""
HAS_GROUPS_SQL = """
    SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped
"""
DETACHED_SQL = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, %s) AND oid = to_regclass(relname::text)
"""


def drop(
    connection: BaseDatabaseWrapper,
    partition: Partition,
    finish: Callable[[CursorWrapper], None],
    dropped: Callable[[], None] = lambda: None,
) -> None:
    """Detach a partition with all its rows. Raises `PartitionInUse`.

    `finish` is called in the same transaction, and so is `dropped`, when no more rows can be inserted.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        finish(cursor)
        lock_partitions(connection, cursor, [partition])
        dropped()
        detach(cursor, [partition])


def drop_if_empty(connection: BaseDatabaseWrapper, partition: Partition) -> None:
    """Detach a partition if it has no rows. Raises `PartitionInUse`."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        lock_partitions(connection, cursor, [partition])
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {partition.name})")
        if not cursor.fetchone()[0]:
            detach(cursor, [partition])


def rewrite_partitions(
    connection: BaseDatabaseWrapper,
    old: Sequence[Partition],
    span: Span,
    gone: Condition,
    *,
    before_copy: Callable[[CursorWrapper], None],
    finish: Callable[[CursorWrapper, int], None],
    keep_empty: bool,
) -> int:
    """Replace the `old` partitions by one of `span`, which has their rows except those that fulfil `gone`.

    `before_copy` is called in the transaction whose snapshot is copied. `finish` is called with the number of removed
    rows, in the transaction that swaps the partitions. A new partition without rows is attached only if `keep_empty`.

    Return the number of removed rows. Raises `PartitionInUse`.
    """
    try:
        made = _prepare(connection, old, span)
        went, groups = _copy(connection, old, gone, before_copy)
        _catch_up(connection)
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            finish(cursor, went)
            uncount(cursor, groups)
            lock_partitions(connection, cursor, old)
            if _oid(cursor, NEW) != made:
                raise RuntimeError("Another run of retention took this one's place; nothing is lost. Run it again.")
            cursor.execute(CATCH_UP_SQL)
            detach(cursor, old, REPLACED)
            cursor.execute(f"SELECT EXISTS (SELECT FROM {NEW})")
            if keep_empty or cursor.fetchone()[0]:
                name = partitions.free_name(cursor, span)
                cursor.execute(f"ALTER TABLE {NEW} RENAME TO {name}")
                partitions.attach(cursor, name, span)
    finally:
        _remove_helpers(connection)
    return went


def clear(connection: BaseDatabaseWrapper, recount: Callable[[Span], None]) -> None:
    """Drop the helpers and the detached tables of a run, also of an interrupted one.

    `recount` is called with the span of the rows of each detached table before it is dropped. The errors of a table
    that was dropped with all its rows are subtracted from their groups. Raises `PartitionInUse`.
    """
    _remove_helpers(connection)
    with connection.cursor() as cursor:
        for prefix in (OLD, REPLACED):
            cursor.execute(DETACHED_SQL, [prefix])
            for (name,) in cursor.fetchall():
                cursor.execute(f"SELECT min(timestamp), max(timestamp) FROM {name}")
                oldest, newest = cursor.fetchone()
                if oldest is not None:
                    recount(Span(oldest, newest + MICROSECOND))
                with transaction.atomic(using=connection.alias):
                    cursor.execute(HAS_GROUPS_SQL, [name, GROUP])
                    if prefix == OLD and cursor.fetchone():
                        cursor.execute(UNCOUNTED_SQL.format(table=name))
                    cursor.execute(f"DROP TABLE {name}")


def _prepare(connection: BaseDatabaseWrapper, old: Sequence[Partition], span: Span) -> int | None:
    """Create the new table and the table for late rows, and start saving late rows. Return the new table's oid."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        partitions.create_table(cursor, NEW, span)
        cursor.execute(f"CREATE TABLE {LATE} (LIKE {TABLE})")
        cursor.execute(FUNCTION_SQL)
        _stop_autovacuum(cursor, old)
        cursor.execute("SET LOCAL synchronous_commit = off")
        # Inserts into these partitions queue behind this lock, which waits for inserts that are not committed yet.
        _lock_tables(connection, cursor, old, [f"{partition.name} IN SHARE ROW EXCLUSIVE MODE" for partition in old])
        for partition in old:
            cursor.execute(TRIGGER_SQL.format(partition=partition.name))
        return _oid(cursor, NEW)


def _copy(
    connection: BaseDatabaseWrapper,
    old: Sequence[Partition],
    gone: Condition,
    before_copy: Callable[[CursorWrapper], None],
) -> tuple[int, list[tuple[str, str, str, int]]]:
    """Copy the rows that stay, from one snapshot.

    Return how many rows are left out, and how many of each error group (group, source, level, number).
    """
    went = 0
    groups: list[tuple[str, str, str, int]] = []
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before_copy(cursor)
        for partition in old:
            # In this snapshot the roll-up agrees with the table, because triggers maintain it.
            known = rollup.count_span(connection, partition.span) if gone.sql == ALL else None
            if known is not None:
                went += known
            elif gone.sql != NOTHING:
                cursor.execute(f"SELECT count(*) FROM {partition.name} WHERE {gone.sql}", gone.values)
                went += cursor.fetchone()[0]
            if gone.sql != NOTHING:
                cursor.execute(GROUPS_SQL.format(partition=partition.name, gone=gone.sql), gone.values)
                groups += cursor.fetchall()
            cursor.execute(COPY_SQL.format(partition=partition.name, gone=gone.sql), gone.values)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {NEW}")
    return went, groups


def _catch_up(connection: BaseDatabaseWrapper) -> None:
    """Move late rows to the new table until few new ones arrive meanwhile."""
    for _ in range(ROUNDS):
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(CATCH_UP_SQL)
            if cursor.rowcount < FEW_ROWS:
                return


def lock_partitions(connection: BaseDatabaseWrapper, cursor: CursorWrapper, old: Sequence[Partition]) -> None:
    """Lock the parent table and these partitions exclusively. Raises `PartitionInUse`."""
    _stop_autovacuum(cursor, old)
    # COMMIT does not wait for the disk under the lock: if the commit is lost, the old partitions still exist. The
    # transaction that drops their tables later waits for the disk, and earlier commits are safe by then.
    cursor.execute("SET LOCAL synchronous_commit = off")
    modes = [f"{name} IN ACCESS EXCLUSIVE MODE" for name in (f"ONLY {TABLE}", *(partition.name for partition in old))]
    _lock_tables(connection, cursor, old, modes, partitions_lock=True)


def _stop_autovacuum(cursor: CursorWrapper, old: Sequence[Partition]) -> None:
    """Keep autovacuum off the partitions until the transaction ends.

    A lock request of 40 ms would not make PostgreSQL cancel a running autovacuum; this one waits long enough.
    """
    cursor.execute(f"SET LOCAL lock_timeout = '{VACUUM_GIVES_WAY_S}s'")
    for partition in old:
        try:
            cursor.execute(f"LOCK TABLE {partition.name} IN SHARE UPDATE EXCLUSIVE MODE")
        except OperationalError as error:
            if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
                raise PartitionInUse(partition.name) from error
            raise


def _lock_tables(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    old: Sequence[Partition],
    modes: Sequence[str],
    *,
    partitions_lock: bool = False,
) -> None:
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S)
        try:
            with transaction.atomic(using=connection.alias):  # a failed attempt releases its locks
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
                if partitions_lock:
                    cursor.execute(LOCK_SQL, [PARTITIONS_LOCK])
                for number, mode in enumerate(modes):
                    cursor.execute(f"LOCK TABLE {mode}{' NOWAIT' if number else ''}")
                return
        except OperationalError as error:
            if sqlstate_of(error) != LOCK_NOT_AVAILABLE:
                raise
    raise PartitionInUse(", ".join(partition.name for partition in old))


def detach(cursor: CursorWrapper, old: Sequence[Partition], prefix: str = OLD) -> None:
    """Detach these partitions, and rename their tables to the prefix and their oid."""
    # The tables are dropped later, so that the files of a large table are not removed under the lock.
    for partition in old:
        cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition.name}")
        cursor.execute(f"ALTER TABLE {partition.name} RENAME TO {prefix}{_oid(cursor, partition.name)}")


def _remove_helpers(connection: BaseDatabaseWrapper) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = %s", [LATE_TRIGGER])
        watched = [Partition(name, Span(BEGINNING, END), 0) for (name,) in cursor.fetchall()]
        if watched:
            _stop_autovacuum(cursor, watched)
            _lock_tables(
                connection, cursor, watched, [f"{partition.name} IN ACCESS EXCLUSIVE MODE" for partition in watched]
            )
        cursor.execute(f"DROP FUNCTION IF EXISTS {LATE}() CASCADE")
        cursor.execute(f"DROP TABLE IF EXISTS {LATE}, {NEW}")


def _oid(cursor: CursorWrapper, name: str) -> int | None:
    cursor.execute("SELECT to_regclass(%s)::oid", [name])
    found: int | None = cursor.fetchone()[0]
    return found
