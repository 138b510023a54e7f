"""The leaves (partitions) of `system_logs` on PostgreSQL: which exist, and making and dropping them.

A leaf is made by CREATE TABLE … LIKE and ATTACH, which blocks no insert: `PARTITION OF` would wait for every open
reader of the table while all inserts queue behind it. One advisory lock makes makers and droppers take turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.conf import conf
from systemlog.storage import rollup
from systemlog.storage.rows import TABLE
from systemlog.storage.spans import Span, span_for

AHEAD = {"day": timedelta(days=7), "week": timedelta(days=21), "month": timedelta(days=62)}
"""How far ahead of now leaves are made, by the setting LEAF."""

LOCK = "systemlog.leaves"

LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

LEAVES_SQL = """
    SELECT leaf.relname, pg_get_expr(leaf.relpartbound, leaf.oid), pg_relation_size(leaf.oid)
    FROM pg_inherits JOIN pg_class leaf ON leaf.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass(%s) AND leaf.relpartbound IS NOT NULL
"""

BOUNDS = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")


class Leaf(NamedTuple):
    """One partition: its table's name, its span, and the bytes of its rows (0: it never had one)."""

    name: str
    span: Span
    size_bytes: int


def read_leaves(cursor: CursorWrapper) -> list[Leaf]:
    """The leaves that are attached now, newest first."""
    cursor.execute(LEAVES_SQL, [TABLE])
    # The bounds of a leaf that another session drops just now are NULL.
    leaves = [Leaf(name, _parse_bounds(bounds), size) for name, bounds, size in cursor.fetchall() if bounds]
    return sorted(leaves, key=lambda leaf: leaf.span, reverse=True)


def make_leaves(cursor: CursorWrapper, instants: Iterable[datetime]) -> list[Span]:
    """Make the leaves that `instants` need and those of the days ahead; gives the spans of all leaves.

    Call it in a transaction of its own: it holds the advisory lock, and the new leaf, until the commit.
    """
    cursor.execute(LOCK_SQL, [LOCK])
    spans = [leaf.span for leaf in read_leaves(cursor)]
    now = datetime.now(UTC)
    leaf = conf().LEAF
    days_ahead = [now + timedelta(days=day) for day in range(AHEAD[leaf].days + 1)]
    for instant in [*instants, *days_ahead]:
        if not any(instant in span for span in spans):
            span = span_for(instant, now=now, leaf=leaf, taken=spans)
            _create(cursor, span)
            spans.append(span)
    return spans


def drop_leaf(connection: BaseDatabaseWrapper, leaf: Leaf) -> int:
    """Detach and drop a leaf, with all its rows; gives how many they were, 0 if another dropped it before.

    Raises `OperationalError` when the table's lock was not to be had within 50 ms: inserts must not queue behind us.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(LOCK_SQL, [LOCK])
        if not any((leaf.name, leaf.span) == (there.name, there.span) for there in read_leaves(cursor)):
            return 0
        name = connection.ops.quote_name(leaf.name)
        cursor.execute(f"SELECT count(*) FROM {name}")
        rows = int(cursor.fetchone()[0])
        rollup.hold(cursor)
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
        cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {name}")
        cursor.execute(f"DROP TABLE {name}")
        rollup.recount(connection, leaf.span)
        return rows


def _create(cursor: CursorWrapper, span: Span) -> None:
    name = f"{TABLE}_{span.lower:%Y%m%d}_{span.upper:%Y%m%d}"
    lower, upper = f"{span.lower:%Y-%m-%d %H:%M:%S}+00", f"{span.upper:%Y-%m-%d %H:%M:%S}+00"
    # The CHECK spares ATTACH a scan; it goes again, since the partition's own bound says the same.
    cursor.execute(
        f"""CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL,
            CONSTRAINT {name}_span CHECK (timestamp >= '{lower}' AND timestamp < '{upper}'))"""
    )
    cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{lower}') TO ('{upper}')")
    cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT {name}_span")


def _parse_bounds(text: str) -> Span:
    match = BOUNDS.search(text)
    if match is None:
        raise ValueError(f"A leaf of {TABLE} has bounds that this version does not know: {text}")
    lower, upper = (datetime.fromisoformat(bound).astimezone(UTC) for bound in match.groups())
    return Span(lower, upper)
