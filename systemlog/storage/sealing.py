"""Sealing leaves on PostgreSQL: what is worth doing once, when the span of a leaf is over. Blocks nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.storage.leaves import SEALED
from systemlog.storage.rows import TABLE
from systemlog.storage.spans import Span
from systemlog.storage.steps import Leaf

SEALED_AFTER = timedelta(hours=1)
"""So long after the end of its span: most late records are in then."""

TRIGRAM = "message_trgm"

UNSEALED_SQL = f"""
    SELECT leaf.relname,
        coalesce(obj_description(leaf.oid, 'pg_class'), '') <> '{SEALED}',
        EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AND NOT EXISTS (
            SELECT FROM pg_index JOIN pg_class index ON index.oid = indexrelid
            WHERE indrelid = leaf.oid AND indisvalid AND index.relname = leaf.relname || '_{TRIGRAM}'
        )
    FROM pg_inherits JOIN pg_class leaf ON leaf.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass('{TABLE}') AND leaf.relname = ANY(%s)
"""


def unsealed(connection: BaseDatabaseWrapper, there: list[Leaf]) -> list[tuple[Leaf, bool, bool]]:
    """The leaves with something left to do, oldest first, each with whether it is to be sealed, and to be indexed."""
    over = {leaf.name: leaf for leaf in there if leaf.span.upper < datetime.now(UTC) - SEALED_AFTER}
    with connection.cursor() as cursor:
        cursor.execute(UNSEALED_SQL, [list(over)])
        found = [(over[name], seal, index) for name, seal, index in cursor.fetchall() if seal or index]
    return sorted(found, key=lambda each: each[0].span)


def seal(
    connection: BaseDatabaseWrapper, leaf: Leaf, recount: Callable[[Span], None], *, index: bool, mark: bool
) -> None:
    """Index the messages by trigrams if the database has pg_trgm, count the roll-up anew, tidy up for the planner."""
    with connection.cursor() as cursor:
        if index:
            name = f"{leaf.name}_{TRIGRAM}"
            # An index that was interrupted is there, and invalid.
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {name} ON {leaf.name} USING gin (message gin_trgm_ops)")
        if mark:
            recount(leaf.span)
            cursor.execute(f"VACUUM (ANALYZE) {leaf.name}")
            cursor.execute(f"COMMENT ON TABLE {leaf.name} IS '{SEALED}'")
