"""Functions in PostgreSQL that find records by an index in all partitions, and keep their query plan.

The records of one request may be in any of about forty partitions with eleven indexes each. Planning such a query takes
four times as long as running it. A function keeps its plan for the life of the connection to PostgreSQL, also behind a
pooler, unlike a prepared statement. With a plan, a call locks each partition and one of its indexes; only planning
locks all of the indexes. A call does not wait long for a partition that another session has locked.
"""

from __future__ import annotations

from systemlog.records.row import TABLE
from systemlog.storage.lookups import By

RECORDS, NUMBER = f"{TABLE}_of", f"{TABLE}_number_of"

LOCK_WAIT = "500ms"

BOUNDS = "timestamp >= since AND (timestamp, id) < (until, before)"


def _by_time(column: str, condition: str = "") -> str:
    # The planner does not know the values of the time bounds. If it sees two of them, it chooses the index of the key,
    # which would be read from end to end.
    upper = f"({column}, timestamp) <= (wanted, until)"
    return f"{TABLE} WHERE {condition}{column} = wanted AND {upper} AND {BOUNDS}"


def _by_value(column: str, wanted: str = "wanted") -> str:
    return f"(SELECT * FROM {TABLE} WHERE {column} = {wanted} OFFSET 0) them WHERE {BOUNDS}"


SOURCES = {
    By.ID: _by_value("id", "wanted::uuid"),
    By.CORRELATION_ID: _by_value("correlation_id"),
    By.TRACE_ID: _by_value("trace_id"),
    By.USER_ID: _by_time("user_id"),
    By.SUBJECT: _by_time("subject"),
    By.GROUP: _by_time("group_id"),
    By.CATEGORY: _by_time("category"),
    By.ERROR: f"{TABLE} WHERE level = 'ERROR' AND {BOUNDS}",
    By.CRITICAL: f"{TABLE} WHERE level = 'CRITICAL' AND {BOUNDS}",
    By.GRAVE: f"{TABLE} WHERE level IN ('ERROR', 'CRITICAL') AND {BOUNDS}",
    By.CRITICAL_OF_CATEGORY: _by_time("category", "level = 'CRITICAL' AND "),
}
STATEMENTS = {
    RECORDS: {
        by: f"SELECT * FROM {source} ORDER BY timestamp DESC, id DESC LIMIT most" for by, source in SOURCES.items()
    },
    NUMBER: {by: f"SELECT count(*) FROM (SELECT FROM {source} LIMIT most) few" for by, source in SOURCES.items()},
}
"""The statement of each function and index. Names in it are the function's parameters."""


MANY = 5000
"""Up to this many records of one value are sorted by time, with the plan that is kept.

A value with more records is planned for each time, because only then the planner knows that the value is frequent, and
reads the records in the order of time.
"""

ANY_PLAN = f"""
    IF (SELECT count(*) FROM (SELECT FROM {TABLE} WHERE {{by}} = wanted LIMIT {MANY + 1}) many) > {MANY} THEN
        RETURN QUERY EXECUTE '
            SELECT * FROM {TABLE}
            WHERE {{by}} = $1 AND timestamp >= $2 AND timestamp <= $3 AND (timestamp, id) < ($3, $4)
            ORDER BY timestamp DESC, id DESC LIMIT $5' USING wanted, since, until, before, most;
        RETURN;
    END IF;
"""
OFTEN_MANY = (By.CORRELATION_ID, By.TRACE_ID)


def _create(name: str, returns: str, returning: str) -> str:
    branches = "".join(
        f"WHEN '{by}' THEN "
        + (ANY_PLAN.format(by=by) if name == RECORDS and by in OFTEN_MANY else "")
        + f"{returning.format(statement)};"
        for by, statement in STATEMENTS[name].items()
    )
    # Sequential scans are off: a plan that was made while a partition was empty would read it from end to end later.
    return f"""
        CREATE FUNCTION {name}(name text, wanted text, since timestamptz, until timestamptz, before uuid, most bigint)
        RETURNS {returns} LANGUAGE plpgsql STABLE
        SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
        SET lock_timeout = '{LOCK_WAIT}' AS $$
        BEGIN
            CASE name {branches} END CASE;
        END $$
    """


CREATE_SQL = [
    _create(RECORDS, f"SETOF {TABLE}", "RETURN QUERY {}"),
    _create(NUMBER, "bigint", "RETURN ({})"),
]
DROP_SQL = [f"DROP FUNCTION {RECORDS}", f"DROP FUNCTION {NUMBER}"]
NUMBER_SQL = f"SELECT {NUMBER}(%s, %s, %s, %s, %s, %s)"
