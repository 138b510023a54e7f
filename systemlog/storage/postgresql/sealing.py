"""Sealing partitions on PostgreSQL: the work that is done once, when the span of a partition is over.

Sealing blocks neither readers nor writers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import TABLE
from systemlog.storage.calendar import Span
from systemlog.storage.partitions import Partition, PartitionInUse
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of
from systemlog.storage.postgresql.partitions import SEALED

SEALED_AFTER = timedelta(hours=1)
"""How long after the end of its span a partition is sealed; most late records have arrived by then."""

TRIGRAM = f"{TABLE}_trgm_"
"""Prefix of the trigram index on the messages of a partition, before the partition's oid."""

REBUILD_LOCK_TIMEOUT = "10s"
"""How long REINDEX CONCURRENTLY waits for open transactions before it is left to the next prune."""

# The size that a rebuilt B-tree would have: a tuple is a header of 8 bytes, the aligned values, and a line pointer of
# 4 bytes, in pages filled to 90 %. Deduplication makes an index smaller than that; such an index is not rebuilt.
# An index below a megabyte, or of which a rebuild would save less than a third, is not rebuilt either.
BLOATED_SQL = """
    SELECT index.oid::regclass::text
    FROM pg_index JOIN pg_class index ON index.oid = indexrelid JOIN pg_class partition ON partition.oid = indrelid
    JOIN pg_am ON pg_am.oid = index.relam
    WHERE indrelid = %s::regclass AND indisvalid AND amname = 'btree' AND indexprs IS NULL AND indpred IS NULL
        AND partition.reltuples >= 0 AND pg_relation_size(index.oid) > 1048576
        AND pg_relation_size(index.oid) > 1.5 * partition.reltuples / 0.9 * (
            SELECT 12 + 8 * ceil(sum(avg_width) / 8.0)
            FROM pg_attribute JOIN pg_stats ON pg_stats.attname = pg_attribute.attname
            WHERE attrelid = partition.oid AND attnum = ANY(indkey)
                AND schemaname = partition.relnamespace::regnamespace::name AND tablename = partition.relname
        )
    ORDER BY 1
"""
# Indexes that an interrupted rebuild has left. They are invalid.
LEFT_OVER_SQL = r"""
    SELECT index.oid::regclass::text
    FROM pg_index JOIN pg_class index ON index.oid = indexrelid
    WHERE indrelid = %s::regclass AND NOT indisvalid AND index.relname ~ '_cc(new|old)\d*$'
"""

UNSEALED_SQL = f"""
    SELECT partition.oid::regclass::text, partition.oid,
        coalesce(obj_description(partition.oid, 'pg_class'), '') <> '{SEALED}',
        EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AND NOT EXISTS (
            SELECT FROM pg_index JOIN pg_class index ON index.oid = indexrelid
            WHERE indrelid = partition.oid AND indisvalid AND index.relname = '{TRIGRAM}' || partition.oid
        )
    FROM pg_inherits JOIN pg_class partition ON partition.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass('{TABLE}') AND partition.oid::regclass::text = ANY(%s)
"""


def unsealed(connection: BaseDatabaseWrapper, there: list[Partition]) -> list[tuple[Partition, bool, str | None]]:
    """Return the partitions that are over and not finished, oldest first.

    Each comes with whether it must be marked as sealed, and with the name of the trigram index to build, if any.
    """
    over = {partition.name: partition for partition in there if partition.span.upper < datetime.now(UTC) - SEALED_AFTER}
    with connection.cursor() as cursor:
        cursor.execute(UNSEALED_SQL, [list(over)])
        found = [
            (over[name], mark, f"{TRIGRAM}{oid}" if index else None)
            for name, oid, mark, index in cursor.fetchall()
            if mark or index
        ]
    return sorted(found, key=lambda each: each[0].span)


def seal(
    connection: BaseDatabaseWrapper,
    partition: Partition,
    recount: Callable[[Span], None],
    *,
    index: str | None,
    mark: bool,
) -> None:
    """Build the trigram index `index`, and with `mark` also recount the roll-up, VACUUM, ANALYZE and rebuild indexes.

    Only indexes that inserts have left half empty are rebuilt. Raises `PartitionInUse` if open transactions prevent it.
    """
    with connection.cursor() as cursor:
        if index:
            # An interrupted build has left an invalid index.
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {index} ON {partition.name} USING gin (message gin_trgm_ops)")
        if mark:
            recount(partition.span)
            cursor.execute(f"VACUUM (ANALYZE) {partition.name}")
            _rebuild_bloated(cursor, partition)
            cursor.execute(f"COMMENT ON TABLE {partition.name} IS '{SEALED}'")


def _rebuild_bloated(cursor: CursorWrapper, partition: Partition) -> None:
    """Drop the leftovers of an interrupted rebuild, then rebuild half-empty indexes without blocking writers."""
    cursor.execute("SELECT current_setting('lock_timeout')")
    (before,) = cursor.fetchone()
    cursor.execute(f"SET lock_timeout = '{REBUILD_LOCK_TIMEOUT}'")
    try:
        for query, action in (
            (LEFT_OVER_SQL, "DROP INDEX CONCURRENTLY IF EXISTS {}"),
            (BLOATED_SQL, "REINDEX INDEX CONCURRENTLY {}"),
        ):
            cursor.execute(query, [partition.name])
            for (index,) in cursor.fetchall():
                cursor.execute(action.format(index))
    except OperationalError as error:
        if sqlstate_of(error) == LOCK_NOT_AVAILABLE:
            raise PartitionInUse(partition.name) from error
        raise
    finally:
        cursor.execute("SELECT set_config('lock_timeout', %s, FALSE)", [before])
