"""The roll-up: the number of records of each hour by source, category and level, so that searches need not count.

Triggers on `system_logs` maintain the roll-up in the transaction of each writer: they add inserted records, and
subtract deleted ones. On PostgreSQL the triggers only append rows, which are compacted later, because a writer that
updated a row would block all other writers until its transaction ends. SQLite has one writer at a time, so its triggers
update the row.

Writers choose categories and sources freely. In each hour, the `MAX_SOURCES` most frequent sources have rows of their
own, and in each source the `MAX_CATEGORIES` most frequent categories; the others are counted together as `OTHER`. The
records themselves keep their category and source.

Triggers do not see a partition that is dropped or rewritten. Its span must be recounted.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import TABLE
from systemlog.storage.advisory_locks import LOCK_SQL, ROLLUP_LOCK, TRY_LOCK_SQL
from systemlog.storage.calendar import Span

ROLLUP = "system_log_rollup"
HOUR = timedelta(hours=1)

IDS_AT_ONCE = 900
COMPACTED_AT_ONCE = 50_000
WORTH_COMPACTING = 500
"""Below this number of new rows, reading them costs less than compacting them each time."""

MAX_CATEGORIES = MAX_SOURCES = 300
OTHER = "(other)"
"""The category, or source and category, of records that are counted together.

Records whose own category or source is this text are counted with them.
"""

# The function keeps the search path of its creation, because a restore runs with an empty one.
FUNCTION_POSTGRESQL = f"""
    CREATE FUNCTION {ROLLUP}_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        INSERT INTO {ROLLUP} (hour, source, category, level, count)
        SELECT date_trunc('hour', timestamp, 'UTC'), source, category, level,
            CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
        FROM changed GROUP BY 1, 2, 3, 4;
        RETURN NULL;
    END $$
"""
TRIGGERS_POSTGRESQL = f"""
    CREATE TRIGGER {TABLE}_counted AFTER INSERT ON {TABLE} REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION {ROLLUP}_count();
    CREATE TRIGGER {TABLE}_uncounted AFTER DELETE ON {TABLE} REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION {ROLLUP}_count()
"""
TRIGGERS = (f"{TABLE}_counted", f"{TABLE}_uncounted")
DROP_TRIGGERS_POSTGRESQL = f"""
    DROP TRIGGER {TABLE}_uncounted ON {TABLE};
    DROP TRIGGER {TABLE}_counted ON {TABLE};
    DROP FUNCTION {ROLLUP}_count()
"""

_SAME_SQLITE = (
    'hour = substr({row}."timestamp", 1, 13) || \':00:00\' AND source = {row}."source"'
    ' AND category = {row}."category" AND level = {row}."level"'
)
# Not ON CONFLICT: inside a trigger, the OR IGNORE of the outer statement overrides it.
COUNT_SQLITE = f"""
    CREATE TRIGGER {TABLE}_counted AFTER INSERT ON {TABLE} BEGIN
        INSERT INTO {ROLLUP} (hour, source, category, level, count, delta)
            SELECT substr(NEW."timestamp", 1, 13) || ':00:00', NEW."source", NEW."category", NEW."level", 0, 0
            WHERE NOT EXISTS (SELECT 1 FROM {ROLLUP} WHERE {_SAME_SQLITE.format(row="NEW")});
        UPDATE {ROLLUP} SET count = count + 1 WHERE {_SAME_SQLITE.format(row="NEW")};
    END
"""
# A category or source without a row of its own was counted as OTHER, so the row of OTHER is decreased.
_HOUR_SQLITE = """hour = substr(OLD."timestamp", 1, 13) || ':00:00' AND level = OLD."level" """
UNCOUNT_SQLITE = f"""
    CREATE TRIGGER {TABLE}_uncounted AFTER DELETE ON {TABLE} BEGIN
        UPDATE {ROLLUP} SET count = count - 1 WHERE id = coalesce(
            (SELECT id FROM {ROLLUP} WHERE {_SAME_SQLITE.format(row="OLD")} AND count > 0),
            (SELECT id FROM {ROLLUP}
                WHERE {_HOUR_SQLITE} AND source = OLD."source" AND category = '{OTHER}' AND count > 0),
            (SELECT id FROM {ROLLUP}
                WHERE {_HOUR_SQLITE} AND source = '{OTHER}' AND category = '{OTHER}' AND count > 0),
            (SELECT id FROM {ROLLUP} WHERE {_SAME_SQLITE.format(row="OLD")})
        );
    END
"""

# One statement, so that it sees each row together with its count.
COMPACT_SQL = f"""
    WITH fresh AS (
        SELECT DISTINCT hour, source, category, level
        FROM (SELECT * FROM {ROLLUP} WHERE delta LIMIT {COMPACTED_AT_ONCE}) them
    ), gone AS (
        DELETE FROM {ROLLUP} USING fresh
        WHERE {ROLLUP}.hour = fresh.hour AND {ROLLUP}.source = fresh.source
            AND {ROLLUP}.category = fresh.category AND {ROLLUP}.level = fresh.level
        RETURNING {ROLLUP}.*
    ), put AS (
        INSERT INTO {ROLLUP} (hour, source, category, level, count, delta)
        SELECT hour, source, category, level, sum(count), FALSE FROM gone
        GROUP BY hour, source, category, level HAVING sum(count) <> 0
    )
    SELECT count(*), array_agg(DISTINCT hour) FROM gone WHERE delta
"""
# The rows of one hour to count together: rows of sources, then of categories, that are not among the most frequent, and
# negative rows, which deletions of records that are already counted as OTHER have left.
_RARE_ROWS_SQL = f"""
    SELECT id, level, count, 'S' AS kind, source FROM (
        SELECT id, level, count, source, dense_rank() OVER (ORDER BY of_source DESC, source) AS place FROM (
            SELECT *, sum(count) OVER (PARTITION BY source) AS of_source FROM {ROLLUP}
            WHERE hour = %s AND NOT delta AND source <> '{OTHER}'
        ) summed
    ) ranked WHERE place > {MAX_SOURCES}
    UNION ALL
    SELECT id, level, count, 'C', source FROM (
        SELECT id, level, count, source, dense_rank() OVER (PARTITION BY source ORDER BY of_category DESC, category)
            AS place
        FROM (
            SELECT *, sum(count) OVER (PARTITION BY source, category) AS of_category FROM {ROLLUP}
            WHERE hour = %s AND NOT delta AND category <> '{OTHER}'
        ) summed
    ) ranked WHERE place > {MAX_CATEGORIES} OR count < 0
"""
RARE_SQL = f"SELECT id, level, count, min(source), max(kind) FROM ({_RARE_ROWS_SQL}) them GROUP BY id, level, count"
ROWS_OF_HOUR_SQL = f"SELECT count(*) FROM {ROLLUP} WHERE hour = %s"
NEWEST_ROWS = 10_000
"""Number of newest rows that are examined each time, which takes a few milliseconds."""

CROWDED_HOURS_SQL = f"""
    WITH newest AS (SELECT * FROM {ROLLUP} WHERE id > (SELECT max(id) - {NEWEST_ROWS} FROM {ROLLUP}))
    SELECT hour FROM newest GROUP BY hour HAVING count(DISTINCT source) > {MAX_SOURCES} + 1
    UNION SELECT hour FROM newest GROUP BY hour, source HAVING count(DISTINCT category) > {MAX_CATEGORIES} + 1
"""
HOURS_SQL = f"SELECT DISTINCT hour FROM {ROLLUP} WHERE hour >= %s AND hour < %s"
RECOUNT_POSTGRESQL = f"""
    WITH gone AS (DELETE FROM {ROLLUP} WHERE hour >= %s AND hour < %s)
    INSERT INTO {ROLLUP} (hour, source, category, level, count, delta)
    SELECT date_trunc('hour', timestamp, 'UTC'), source, category, level, count(*), FALSE
    FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s GROUP BY 1, 2, 3, 4
"""
COUNT_EDGES_SQL = f"""
    SELECT (SELECT count(*) FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s)
        + (SELECT count(*) FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s)
"""
FORGET_SQLITE = f"DELETE FROM {ROLLUP} WHERE hour >= %s AND hour < %s"
RECOUNT_SQLITE = f"""
    INSERT INTO {ROLLUP} (hour, source, category, level, count, delta)
    SELECT substr("timestamp", 1, 13) || ':00:00', source, category, level, count(*), 0
    FROM {TABLE} WHERE timestamp >= %s AND timestamp < %s GROUP BY 1, 2, 3, 4
"""


def compact(connection: BaseDatabaseWrapper) -> int:
    """Sum up the rows that writers appended on PostgreSQL, and return how many rows were removed.

    Return 0 if there are fewer than `WORTH_COMPACTING` rows, or if another process is compacting. Call it until it
    returns 0. No writer is blocked.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM (SELECT FROM {ROLLUP} WHERE delta LIMIT {WORTH_COMPACTING}) them")
        if cursor.fetchone()[0] < WORTH_COMPACTING:
            return 0
        cursor.execute(TRY_LOCK_SQL, [ROLLUP_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(COMPACT_SQL)
        went, hours = cursor.fetchone()
        for hour in hours or ():
            fold_rare(cursor, hour)
        return int(went)


def fold_rare(cursor: CursorWrapper, hour: Any) -> None:
    """Count together, as `OTHER`, the sources and categories of an hour that are not among the most frequent.

    Runs in the caller's transaction, which must hold the lock of the roll-up. `hour` has the database's own format.
    """
    cursor.execute(ROWS_OF_HOUR_SQL, [hour])
    if cursor.fetchone()[0] <= min(MAX_SOURCES, MAX_CATEGORIES):
        return
    cursor.execute(RARE_SQL, [hour, hour])
    sums: Counter[tuple[str, str]] = Counter()
    gone = []
    for row_id, level, count, source, kind in cursor.fetchall():
        gone.append(row_id)
        sums[OTHER if kind == "S" else source, level] += count
    if not gone:
        return
    for start in range(0, len(gone), IDS_AT_ONCE):
        some = gone[start : start + IDS_AT_ONCE]
        cursor.execute(f"DELETE FROM {ROLLUP} WHERE id IN ({', '.join(['%s'] * len(some))})", some)
    for (source, level), count in sums.items():
        same = [hour, source, OTHER, level]
        cursor.execute(
            f"UPDATE {ROLLUP} SET count = count + %s"
            f" WHERE hour = %s AND source = %s AND category = %s AND level = %s AND NOT delta",
            [count, *same],
        )
        if not cursor.rowcount:
            cursor.execute(
                f"INSERT INTO {ROLLUP} (hour, source, category, level, count, delta) VALUES (%s, %s, %s, %s, %s, %s)",
                [*same, count, False],
            )


def fold_rare_of_newest(connection: BaseDatabaseWrapper) -> None:
    """Call `fold_rare` for the hours that have too many of the newest rows, on SQLite."""
    with connection.cursor() as cursor:
        cursor.execute(CROWDED_HOURS_SQL)
        if not cursor.fetchall():
            return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {ROLLUP} SET count = count WHERE 0")  # takes the write lock first, as landing does
        cursor.execute(CROWDED_HOURS_SQL)
        for (hour,) in cursor.fetchall():
            fold_rare(cursor, connection.ops.adapt_datetimefield_value(hour.replace(tzinfo=UTC)))


def lock_rollup(cursor: CursorWrapper) -> None:
    """Take the lock of the roll-up until the transaction ends, so that no other process compacts or recounts.

    A caller that calls `recount` under a table lock must take this lock first, or inserts would wait for it too.
    """
    cursor.execute(LOCK_SQL, [ROLLUP_LOCK])


def recount(connection: BaseDatabaseWrapper, span: Span) -> None:
    """Count the records of the span's hours again, beside writers, in the caller's transaction if there is one."""
    bounds = [connection.ops.adapt_datetimefield_value(bound) for bound in whole_hours(span)]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Two processes that delete the same rows would both count the records. The lock is a statement of its own,
            # so that the next statement sees the changes of the lock's previous holder.
            lock_rollup(cursor)
            cursor.execute(RECOUNT_POSTGRESQL, [*bounds, *bounds])
        else:
            cursor.execute(FORGET_SQLITE, bounds)
            cursor.execute(RECOUNT_SQLITE, bounds)
        cursor.execute(HOURS_SQL, bounds)
        for (hour,) in cursor.fetchall():
            adapted = hour if hour.tzinfo else hour.replace(tzinfo=UTC)
            fold_rare(cursor, connection.ops.adapt_datetimefield_value(adapted))


def count_span(connection: BaseDatabaseWrapper, span: Span) -> int | None:
    """Return how many records the span has, in time that does not grow with the number of records in whole hours.

    The roll-up knows the records of whole hours. Those of an hour that the span only touches are counted in the table.
    Return None if the roll-up knows no record: there is none, or records were stored while the triggers were disabled.
    """
    lower, upper = hour_of(span.lower), hour_of(span.upper)
    if lower < span.lower:
        lower += HOUR
    if lower >= upper:
        return None
    lower_sql, upper_sql, *edges = (
        connection.ops.adapt_datetimefield_value(bound)
        for bound in (lower, upper, span.lower, lower, upper, span.upper)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(sum(count), 0) FROM {ROLLUP} WHERE hour >= %s AND hour < %s", [lower_sql, upper_sql]
        )
        whole = int(cursor.fetchone()[0])
        if whole <= 0:
            return None
        if Span(lower, upper) != span:
            cursor.execute(COUNT_EDGES_SQL, edges)
            whole += cursor.fetchone()[0]
        return whole


def hour_of(instant: datetime) -> datetime:
    """Return the start of the instant's hour."""
    return instant.replace(minute=0, second=0, microsecond=0)


def whole_hours(span: Span) -> Span:
    """Return the span, widened to whole hours."""
    upper = hour_of(span.upper)
    return Span(hour_of(span.lower), upper if upper == span.upper else upper + HOUR)
