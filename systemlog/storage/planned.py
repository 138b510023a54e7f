"""Functions in PostgreSQL that find the records of one request, trace, user or thing, and keep their plan.

Such records may be in any of some forty partitions, with ten indexes each: to plan that takes four times as long as to
do it. A function keeps its plan for as long as the connection lives, behind a pooler too, which prepared statements
do not. It locks each partition and one index of it; only while a connection plans anew, all of their indexes.
"""

from __future__ import annotations

from typing import Any

from django.db.models.sql.datastructures import BaseTable

from systemlog.storage.rows import TABLE

RECORDS, NUMBER = f"{TABLE}_of", f"{TABLE}_number_of"

BY_TIME = ("user_id", "subject")
"""Columns whose index has the records in the order of time."""

NOT_BY_TIME = ("id", "correlation_id", "trace_id")


def _source(column: str) -> str:
    wanted = "wanted::uuid" if column == "id" else "wanted"
    # The planner does not know the bounds of time. Where it sees two of them, it takes the key's index, which would be
    # read from end to end.
    if column in BY_TIME:
        bounds = f"timestamp >= since AND ({column}, timestamp) <= (wanted, until)"
        return f"{TABLE} WHERE {column} = wanted AND {bounds} AND (timestamp, id) < (until, before)"
    found = f"(SELECT * FROM {TABLE} WHERE {column} = {wanted} OFFSET 0) them"
    return f"{found} WHERE timestamp >= since AND (timestamp, id) < (until, before)"


STATEMENTS = {
    RECORDS: {
        column: f"SELECT * FROM {_source(column)} ORDER BY timestamp DESC, id DESC LIMIT most"
        for column in (*BY_TIME, *NOT_BY_TIME)
    },
    NUMBER: {
        column: f"SELECT count(*) FROM (SELECT FROM {_source(column)} LIMIT most) few"
        for column in (*BY_TIME, *NOT_BY_TIME)
    },
}
"""What each function does for each column; the names in them are those of its parameters."""


def _create(name: str, returns: str, returning: str) -> str:
    branches = "".join(
        f"WHEN '{column}' THEN {returning.format(statement)};" for column, statement in STATEMENTS[name].items()
    )
    # No sequential scan: a partition that was empty when it was planned for would be read as a whole later.
    return f"""
        CREATE FUNCTION {name}(name text, wanted text, since timestamptz, until timestamptz, before uuid, most bigint)
        RETURNS {returns} LANGUAGE plpgsql STABLE
        SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
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


class RecordsOf(BaseTable):
    """The function in place of the table, for a query of Django's."""

    def __init__(self, alias: str, arguments: list[Any]) -> None:
        super().__init__(TABLE, alias)
        self.arguments = arguments

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """What stands behind FROM."""
        marks = ", ".join(["%s"] * len(self.arguments))
        return f"{RECORDS}({marks}) {connection.ops.quote_name(self.table_alias)}", self.arguments

    def relabeled_clone(self, change_map: dict[str, str]) -> RecordsOf:
        """The same by another name."""
        return RecordsOf(change_map.get(self.table_alias, self.table_alias), self.arguments)
