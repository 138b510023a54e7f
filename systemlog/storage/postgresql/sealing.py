"""Sealing leaves on PostgreSQL: what is worth doing once, when the span of a leaf is over. Blocks nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.records.row import TABLE
from systemlog.storage.calendar import Span
from systemlog.storage.postgresql.partitions import SEALED
from systemlog.storage.steps import Partition

SEALED_AFTER = timedelta(hours=1)
"""So long after the end of its span: most late records are in then."""

TRIGRAM = f"{TABLE}_trgm_"
"""An index on the messages of a leaf has this name, and the oid of the leaf."""

UNSEALED_SQL = f"""
    SELECT leaf.oid::regclass::text, leaf.oid,
        coalesce(obj_description(leaf.oid, 'pg_class'), '') <> '{SEALED}',
        EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AND NOT EXISTS (
            SELECT FROM pg_index JOIN pg_class index ON index.oid = indexrelid
            WHERE indrelid = leaf.oid AND indisvalid AND index.relname = '{TRIGRAM}' || leaf.oid
        )
    FROM pg_inherits JOIN pg_class leaf ON leaf.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass('{TABLE}') AND leaf.oid::regclass::text = ANY(%s)
"""


def unsealed(connection: BaseDatabaseWrapper, there: list[Partition]) -> list[tuple[Partition, bool, str | None]]:
    """The leaves with something to do, oldest first, each with whether it is to be sealed, and the index to build."""
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
    """Index the messages by trigrams if the database has pg_trgm, count the roll-up anew, tidy up for the planner."""
    with connection.cursor() as cursor:
        if index:
            # One that was interrupted is there, and invalid.
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {index} ON {partition.name} USING gin (message gin_trgm_ops)")
        if mark:
            recount(partition.span)
            cursor.execute(f"VACUUM (ANALYZE) {partition.name}")
            cursor.execute(f"COMMENT ON TABLE {partition.name} IS '{SEALED}'")
