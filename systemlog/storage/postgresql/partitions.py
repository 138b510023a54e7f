"""The leaves (partitions) of `system_logs` on PostgreSQL: which exist, and making them.

A leaf is made by CREATE TABLE … LIKE and ATTACH, which blocks no insert: `PARTITION OF` would wait for every open
reader of the table while all inserts queue behind it. One advisory lock makes those who make and those who replace
leaves take turns; it is held for one leaf at a time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django.db.backends.utils import CursorWrapper

from systemlog.conf import conf
from systemlog.records.row import TABLE
from systemlog.storage.calendar import BEGINNING, END, Span, span_for
from systemlog.storage.partitions import Partition, PartitionReport, PartitionState

PARTITIONS_LOCK = "systemlog.partitions"

LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

PARTITIONS_SQL = """
    SELECT leaf.oid::regclass::text, pg_get_expr(leaf.relpartbound, leaf.oid), pg_relation_size(leaf.oid)
    FROM pg_inherits JOIN pg_class leaf ON leaf.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass(%s) AND leaf.relpartbound IS NOT NULL AND inhdetachpending = %s
"""

# Rows as the planner guesses them: the density of the last ANALYZE, times the pages of now.
REPORT_SQL = """
    SELECT leaf.oid::regclass::text, pg_get_expr(leaf.relpartbound, leaf.oid), pg_relation_size(leaf.oid),
        pg_total_relation_size(leaf.oid),
        CASE WHEN leaf.reltuples > 0 AND leaf.relpages > 0
            THEN leaf.reltuples / leaf.relpages * pg_relation_size(leaf.oid) / current_setting('block_size')::int
            ELSE pg_stat_get_live_tuples(leaf.oid) END,
        inhdetachpending, obj_description(leaf.oid, 'pg_class'),
        EXISTS (SELECT FROM pg_trigger WHERE tgrelid = leaf.oid AND tgname = %s)
    FROM pg_inherits JOIN pg_class leaf ON leaf.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass(%s)
"""

SEALED = "sealed"
"""The comment on the table of a leaf that retention has sealed."""

LATE_TRIGGER = f"{TABLE}_late"
"""On a leaf that is being replaced: see systemlog.storage.postgresql.rewrite."""

SPAN_CHECK = "span_of_the_leaf"

BOUNDS = re.compile(r"FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)")


def read_partitions(cursor: CursorWrapper) -> list[Partition]:
    """The leaves that are attached now, newest first; not one whose DETACH is pending, which takes no more rows."""
    return _read(cursor, detaching=False)


def read_detaching(cursor: CursorWrapper) -> list[Partition]:
    """The leaves that a cancelled DETACH CONCURRENTLY left: no row finds room in their span until it is finished."""
    return _read(cursor, detaching=True)


def finish_detaching(cursor: CursorWrapper, partition: Partition) -> None:
    """Finish it; waits for transactions that still see the leaf. Its table stays, for whoever wanted it detached."""
    cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition.name} FINALIZE")


def report_partitions(cursor: CursorWrapper) -> list[PartitionReport]:
    """The same with what is known of each, newest first; those whose DETACH is pending too."""
    cursor.execute(REPORT_SQL, [LATE_TRIGGER, TABLE])
    now = datetime.now(UTC)
    reports = []
    for name, bounds, size, total, rows, pending, comment, replaced in cursor.fetchall():
        if bounds:
            partition = Partition(name, _parse_bounds(bounds), size)
            state = _state(partition.span, now, pending=pending, sealed=comment == SEALED, replaced=replaced)
            reports.append(PartitionReport(partition, round(rows), total, state))
    return sorted(reports, key=lambda report: report.partition.span, reverse=True)


def create_partition(cursor: CursorWrapper, instant: datetime) -> list[Span]:
    """Make the leaf that `instant` needs, if it is not there; gives the spans of all leaves.

    Call it in a transaction of its own: it holds the advisory lock, and the new leaf, until the commit.
    """
    cursor.execute(LOCK_SQL, [PARTITIONS_LOCK])
    spans = [partition.span for partition in read_partitions(cursor)]
    if not any(instant in span for span in spans):
        taken = list(spans)
        for partition in read_detaching(cursor):
            if instant in partition.span:
                finish_detaching(cursor, partition)
            else:
                taken.append(partition.span)
        span = span_for(instant, now=datetime.now(UTC), partition=conf().PARTITION, taken=taken)
        name = free_name(cursor, span)
        cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL)")
        attach(cursor, name, span, filled=False)
        spans.append(span)
    return spans


def create_table(cursor: CursorWrapper, name: str, span: Span) -> None:
    """Create a table like `system_logs`, indexes included, that can be filled, and attached without being read."""
    lower, upper = (f"{bound:%Y-%m-%d %H:%M:%S}+00" for bound in span)
    checks = [f"timestamp >= '{lower}'"] if span.lower > BEGINNING else []
    checks += [f"timestamp < '{upper}'"] if span.upper < END else []
    check = f", CONSTRAINT {SPAN_CHECK} CHECK ({' AND '.join(checks)})" if checks else ""
    cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL{check})")


def attach(cursor: CursorWrapper, name: str, span: Span, *, filled: bool = True) -> None:
    """Make a table a leaf; waits for no reader and no writer of the others. Not `filled`: it was created for this."""
    lower = "MINVALUE" if span.lower == BEGINNING else f"'{span.lower:%Y-%m-%d %H:%M:%S}+00'"
    upper = "MAXVALUE" if span.upper == END else f"'{span.upper:%Y-%m-%d %H:%M:%S}+00'"
    cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ({lower}) TO ({upper})")
    if filled:
        # The CHECK spared ATTACH a scan; the partition's own bound says the same.
        cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {SPAN_CHECK}")


def free_name(cursor: CursorWrapper, span: Span) -> str:
    """A name for the table of a new leaf; a detached one may still have the plain name."""
    plain = f"{TABLE}_{span.lower:%Y%m%d}_{span.upper:%Y%m%d}"
    number, name = 1, plain
    while True:
        cursor.execute("SELECT to_regclass(%s) IS NULL", [name])
        if cursor.fetchone()[0]:
            return name
        number += 1
        name = f"{plain}_{number}"


def _read(cursor: CursorWrapper, *, detaching: bool) -> list[Partition]:
    cursor.execute(PARTITIONS_SQL, [TABLE, detaching])
    # The bounds of a leaf that another session drops just now are NULL.
    partitions = [Partition(name, _parse_bounds(bounds), size) for name, bounds, size in cursor.fetchall() if bounds]
    return sorted(partitions, key=lambda partition: partition.span, reverse=True)


def _state(span: Span, now: datetime, *, pending: bool, sealed: bool, replaced: bool) -> PartitionState:
    if pending:
        return PartitionState.DETACHING
    if replaced:
        return PartitionState.REWRITTEN
    if span.lower > now:
        return PartitionState.AHEAD
    if now in span:
        return PartitionState.LIVE
    return PartitionState.SEALED if sealed else PartitionState.OPEN


def _parse_bounds(text: str) -> Span:
    match = BOUNDS.search(text)
    if match is None:
        raise ValueError(f"A leaf of {TABLE} has bounds that this version does not know: {text}")
    lower, upper = match.groups()
    return Span(_instant(lower) if lower else BEGINNING, _instant(upper) if upper else END)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
