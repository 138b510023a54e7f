"""Adds a comment with the correlation id to each SQL statement, in the format of sqlcommenter.

The comment shows in the database's slow query log and in its list of running statements. `CORRELATION_SQL_COMMENTS`
turns it on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.conf import conf
from systemlog.correlation.context import current

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]


def comment_statements(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Comment all further statements of the connection, if the setting is on. A receiver of `connection_created`."""
    if conf().CORRELATION_SQL_COMMENTS:
        compat.wrap_statements(connection, _execute_commented)


def commented(sql: str, fields: dict[str, str], *, has_params: bool) -> str:
    """Return `sql` with `fields` in a comment at its end, or unchanged if it has a comment, as sqlcommenter demands.

    The values are URL-encoded, so that none can end the comment. `has_params` says that parameters go with the
    statement: then drivers take a percent sign for a placeholder, and it is doubled.
    """
    if not fields or "/*" in sql or "--" in sql:
        return sql
    comment = ",".join(f"{name}='{quote(value, safe='')}'" for name, value in sorted(fields.items()))
    if has_params:
        comment = comment.replace("%", "%%")
    statement = sql.rstrip()
    if statement.endswith(";"):
        return f"{statement[:-1].rstrip()} /*{comment}*/;"
    return f"{statement} /*{comment}*/"


def _execute_commented(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    correlation = current()
    if correlation is not None and isinstance(sql, str):
        fields = {"correlation_id": correlation.correlation_id}
        if correlation.route:
            fields["route"] = correlation.route
        if correlation.trace_id:
            fields |= correlation.trace_headers()
        sql = commented(sql, fields, has_params=params is not None)
    return execute(sql, params, many, context)
