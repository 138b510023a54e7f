"""Taking leaves out of `system_logs` on PostgreSQL, and putting one with the rows that stay in their place.

What stays is copied while inserts go on. From before the copy on, a trigger keeps the rows that come late in a table
beside it; in the end one short transaction locks the table, adds the last of them, and puts the copy in place. So the
lock never lasts as long as reading a leaf does. It is asked for again and again for 40 ms each: whoever asks for it
makes all inserts wait behind.

A run that is interrupted leaves tables of fixed names, and the trigger, which `clear()` removes. Whoever calls this
holds the lock of retention (`PostgreSQLStorage.exclusive`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import COLUMN_LIST, TABLE
from systemlog.storage.calendar import BEGINNING, END, MICROSECOND, Span
from systemlog.storage.conditions import NOTHING, Condition
from systemlog.storage.partitions import Partition, PartitionInUse
from systemlog.storage.postgresql import partitions
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of
from systemlog.storage.postgresql.partitions import LATE_TRIGGER, LOCK_SQL, PARTITIONS_LOCK

NEW = f"{TABLE}_new"
LATE = f"{TABLE}_late"
OLD = f"{TABLE}_old_"

LOCK_MS = 40
TRIES = 60
PAUSE_S = 0.1
VACUUM_GIVES_WAY_S = 5
"""Autovacuum is cancelled where a lock has waited for a second (`deadlock_timeout`)."""

FEW_ROWS = 200
"""As many late rows may be copied under the lock."""

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
# Rows that a logical replica applies come late too, hence ALWAYS.
TRIGGER_SQL = f"""
    CREATE TRIGGER {LATE_TRIGGER} AFTER INSERT OR DELETE ON {{partition}} FOR EACH ROW EXECUTE FUNCTION {LATE}();
    ALTER TABLE {{partition}} ENABLE ALWAYS TRIGGER {LATE_TRIGGER}
"""
COPY_SQL = f"INSERT INTO {NEW} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM {{partition}} WHERE NOT {{gone}}"

# A row that was committed between the trigger and the copy's snapshot is in both.
CATCH_UP_SQL = f"""
    WITH late AS (DELETE FROM {LATE} RETURNING *)
    INSERT INTO {NEW} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM late ON CONFLICT (timestamp, id) DO NOTHING
"""
TAKEN_OUT_SQL = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, %s) AND oid = to_regclass(relname::text)
"""


def drop(connection: BaseDatabaseWrapper, partition: Partition, finish: Callable[[CursorWrapper], None]) -> None:
    """Take a leaf out, with all its rows; `finish` is called in the same transaction. Raises `PartitionInUse`."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        finish(cursor)
        lock(connection, cursor, [partition])
        take_out(cursor, [partition])


def drop_if_empty(connection: BaseDatabaseWrapper, partition: Partition) -> None:
    """Take a leaf out if it has no rows. Raises `PartitionInUse`."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        lock(connection, cursor, [partition])
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {partition.name})")
        if not cursor.fetchone()[0]:
            take_out(cursor, [partition])


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
    """Put one leaf of `span` in the place of the `old` ones, with their rows but for those that are `gone`.

    `before_copy` is called with the snapshot of the copy, `finish` with the number of rows that went, in the
    transaction that puts it in place. Without rows it is left out unless `keep_empty`. Gives the rows that went. Raises
    `PartitionInUse`.
    """
    try:
        made = _prepare(connection, old, span)
        went = _copy(connection, old, gone, before_copy)
        _catch_up(connection)
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            finish(cursor, went)
            lock(connection, cursor, old)
            if _oid(cursor, NEW) != made:
                raise RuntimeError("Another run of retention took this one's place; nothing is lost. Run it again.")
            cursor.execute(CATCH_UP_SQL)
            take_out(cursor, old)
            cursor.execute(f"SELECT EXISTS (SELECT FROM {NEW})")
            if keep_empty or cursor.fetchone()[0]:
                name = partitions.free_name(cursor, span)
                cursor.execute(f"ALTER TABLE {NEW} RENAME TO {name}")
                partitions.attach(cursor, name, span)
    finally:
        _remove_helpers(connection)
    return went


def clear(connection: BaseDatabaseWrapper, recount: Callable[[Span], None]) -> None:
    """Remove what is left of a run, interrupted or not: its helpers, and the tables that were taken out.

    `recount` is told the span of the rows of each of these before it goes. Raises `PartitionInUse`.
    """
    _remove_helpers(connection)
    with connection.cursor() as cursor:
        cursor.execute(TAKEN_OUT_SQL, [OLD])
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT min(timestamp), max(timestamp) FROM {name}")
            oldest, newest = cursor.fetchone()
            if oldest is not None:
                recount(Span(oldest, newest + MICROSECOND))
            cursor.execute(f"DROP TABLE {name}")


def _prepare(connection: BaseDatabaseWrapper, old: Sequence[Partition], span: Span) -> int | None:
    """Make the table of the copy and the one for late rows, and have these kept from now on; gives the first's oid."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        partitions.create_table(cursor, NEW, span)
        cursor.execute(f"CREATE TABLE {LATE} (LIKE {TABLE})")
        cursor.execute(FUNCTION_SQL)
        _hold_vacuum_off(cursor, old)
        cursor.execute("SET LOCAL synchronous_commit = off")
        # Inserts into these leaves wait behind this lock, and those that are not committed keep it waiting.
        _try(connection, cursor, old, [f"{partition.name} IN SHARE ROW EXCLUSIVE MODE" for partition in old])
        for partition in old:
            cursor.execute(TRIGGER_SQL.format(partition=partition.name))
        return _oid(cursor, NEW)


def _copy(
    connection: BaseDatabaseWrapper,
    old: Sequence[Partition],
    gone: Condition,
    before_copy: Callable[[CursorWrapper], None],
) -> int:
    """Copy what stays, under one snapshot; gives how many rows of it go."""
    went = 0
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before_copy(cursor)
        for partition in old:
            if gone.sql != NOTHING:
                cursor.execute(f"SELECT count(*) FROM {partition.name} WHERE {gone.sql}", gone.values)
                went += cursor.fetchone()[0]
            cursor.execute(COPY_SQL.format(partition=partition.name, gone=gone.sql), gone.values)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {NEW}")
    return went


def _catch_up(connection: BaseDatabaseWrapper) -> None:
    """Move the late rows over, until those that come meanwhile are few."""
    for _ in range(ROUNDS):
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(CATCH_UP_SQL)
            if cursor.rowcount < FEW_ROWS:
                return


def lock(connection: BaseDatabaseWrapper, cursor: CursorWrapper, old: Sequence[Partition]) -> None:
    """Have the table and these leaves for this transaction alone. Raises `PartitionInUse`."""
    _hold_vacuum_off(cursor, old)
    # The commit need not wait for the disk under the lock: where it is lost, the old leaves are still there. What drops
    # them later waits, and whatever came before is safe then too.
    cursor.execute("SET LOCAL synchronous_commit = off")
    modes = [f"{name} IN ACCESS EXCLUSIVE MODE" for name in (f"ONLY {TABLE}", *(partition.name for partition in old))]
    _try(connection, cursor, old, modes, and_makers=True)


def _hold_vacuum_off(cursor: CursorWrapper, old: Sequence[Partition]) -> None:
    """Until the end of the transaction: autovacuum makes way for none who wait for 40 ms only."""
    cursor.execute(f"SET LOCAL lock_timeout = '{VACUUM_GIVES_WAY_S}s'")
    for partition in old:
        try:
            cursor.execute(f"LOCK TABLE {partition.name} IN SHARE UPDATE EXCLUSIVE MODE")
        except OperationalError as error:
            if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
                raise PartitionInUse(partition.name) from error
            raise


def _try(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    old: Sequence[Partition],
    modes: Sequence[str],
    *,
    and_makers: bool = False,
) -> None:
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S)
        try:
            with transaction.atomic(using=connection.alias):  # a failed try lets go of what it got
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
                if and_makers:
                    cursor.execute(LOCK_SQL, [PARTITIONS_LOCK])
                for number, mode in enumerate(modes):
                    cursor.execute(f"LOCK TABLE {mode}{' NOWAIT' if number else ''}")
                return
        except OperationalError as error:
            if sqlstate_of(error) != LOCK_NOT_AVAILABLE:
                raise
    raise PartitionInUse(", ".join(partition.name for partition in old))


def take_out(cursor: CursorWrapper, old: Sequence[Partition], prefix: str = OLD) -> None:
    """Detach these leaves, and name their tables by the prefix."""
    # Dropped later: the files of a large table are not removed under the lock.
    for partition in old:
        cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition.name}")
        cursor.execute(f"ALTER TABLE {partition.name} RENAME TO {prefix}{_oid(cursor, partition.name)}")


def _remove_helpers(connection: BaseDatabaseWrapper) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = %s", [LATE_TRIGGER])
        watched = [Partition(name, Span(BEGINNING, END), 0) for (name,) in cursor.fetchall()]
        if watched:
            _hold_vacuum_off(cursor, watched)
            _try(connection, cursor, watched, [f"{partition.name} IN ACCESS EXCLUSIVE MODE" for partition in watched])
        cursor.execute(f"DROP FUNCTION IF EXISTS {LATE}() CASCADE")
        cursor.execute(f"DROP TABLE IF EXISTS {LATE}, {NEW}")


def _oid(cursor: CursorWrapper, name: str) -> int | None:
    cursor.execute("SELECT to_regclass(%s)::oid", [name])
    found: int | None = cursor.fetchone()[0]
    return found
