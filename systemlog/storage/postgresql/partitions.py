"""SQL on the partitions of `system_logs` on PostgreSQL: listing, creating, attaching and detaching them.

A partition is created by CREATE TABLE … LIKE and ATTACH, which blocks no insert. `PARTITION OF` would wait for every
open reader of the table while all inserts queue behind it. One advisory lock serializes the processes that create and
rewrite partitions; it is held for one partition at a time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django.db.backends.utils import CursorWrapper

from systemlog.conf import conf
from systemlog.records.row import TABLE
from systemlog.storage.advisory_locks import LOCK_SQL, PARTITIONS_LOCK
from systemlog.storage.calendar import BEGINNING, END, Span, span_for
from systemlog.storage.partitions import Partition, PartitionReport, PartitionState

PARTITIONS_SQL = """
    SELECT child.oid::regclass::text, pg_get_expr(child.relpartbound, child.oid), pg_relation_size(child.oid)
    FROM pg_inherits JOIN pg_class child ON child.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass(%s) AND child.relpartbound IS NOT NULL AND inhdetachpending = %s
"""

# The number of rows as the planner estimates it: the density at the last ANALYZE, times the present number of pages.
REPORT_SQL = """
    SELECT child.oid::regclass::text, pg_get_expr(child.relpartbound, child.oid), pg_relation_size(child.oid),
        pg_total_relation_size(child.oid),
        CASE WHEN child.reltuples > 0 AND child.relpages > 0
            THEN child.reltuples / child.relpages * pg_relation_size(child.oid) / current_setting('block_size')::int
            ELSE pg_stat_get_live_tuples(child.oid) END,
        inhdetachpending, obj_description(child.oid, 'pg_class'),
        EXISTS (SELECT FROM pg_trigger WHERE tgrelid = child.oid AND tgname = %s)
    FROM pg_inherits JOIN pg_class child ON child.oid = pg_inherits.inhrelid
    WHERE pg_inherits.inhparent = to_regclass(%s)
"""

SEALED = "sealed"
"""The comment on the table of a sealed partition."""

LATE_TRIGGER = f"{TABLE}_late"
"""The trigger on a partition that is being rewritten: see systemlog.storage.postgresql.rewrite."""

SPAN_CHECK = "span_of_the_leaf"

BOUNDS = re.compile(r"FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)")


def read_partitions(cursor: CursorWrapper) -> list[Partition]:
    """Return the attached partitions, newest first, without those whose DETACH is pending: they accept no rows."""
    return _read(cursor, detaching=False)


def read_detaching(cursor: CursorWrapper) -> list[Partition]:
    """Return the partitions whose DETACH CONCURRENTLY was cancelled.

    No row can be inserted in their span until the DETACH is finished.
    """
    return _read(cursor, detaching=True)


def finish_detaching(cursor: CursorWrapper, partition: Partition) -> None:
    """Finish a pending DETACH. Waits for transactions that still see the partition. Its table is kept."""
    cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition.name} FINALIZE")


def report_partitions(cursor: CursorWrapper) -> list[PartitionReport]:
    """Return a report of each partition, newest first, including those whose DETACH is pending."""
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
    """Create the partition that `instant` needs, unless it exists, and return the spans of all partitions.

    Call it in a transaction of its own, because it holds the advisory lock, and locks the new partition, until COMMIT.
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
    """Create a table like `system_logs`, with its indexes, and with a CHECK that lets ATTACH skip its scan."""
    lower, upper = (f"{bound:%Y-%m-%d %H:%M:%S}+00" for bound in span)
    checks = [f"timestamp >= '{lower}'"] if span.lower > BEGINNING else []
    checks += [f"timestamp < '{upper}'"] if span.upper < END else []
    check = f", CONSTRAINT {SPAN_CHECK} CHECK ({' AND '.join(checks)})" if checks else ""
    cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL{check})")


def attach(cursor: CursorWrapper, name: str, span: Span, *, filled: bool = True) -> None:
    """Attach a table as a partition, without waiting for readers and writers of other partitions.

    `filled` says that `create_table` has created the table, and that it has rows.
    """
    lower = "MINVALUE" if span.lower == BEGINNING else f"'{span.lower:%Y-%m-%d %H:%M:%S}+00'"
    upper = "MAXVALUE" if span.upper == END else f"'{span.upper:%Y-%m-%d %H:%M:%S}+00'"
    cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ({lower}) TO ({upper})")
    if filled:
        # The CHECK has let ATTACH skip its scan; the partition bound says the same.
        cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {SPAN_CHECK}")


def free_name(cursor: CursorWrapper, span: Span) -> str:
    """Return an unused name for the table of a new partition. A detached table may still have the plain name."""
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
    # The bounds are NULL if another session is just dropping the partition.
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
        raise ValueError(f"A partition of {TABLE} has bounds that this version cannot read: {text}")
    lower, upper = match.groups()
    return Span(_instant(lower) if lower else BEGINNING, _instant(upper) if upper else END)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
