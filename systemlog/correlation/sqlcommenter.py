"""Says in a comment of each SQL statement which request it is from, in the format of sqlcommenter.

For the database's slow query log and its list of running statements. Opt in by `CORRELATION_SQL_COMMENTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.conf import conf
from systemlog.correlation.context import current

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]


def comment_statements(connection: BaseDatabaseWrapper, **_: object) -> None:
    """Receiver of `connection_created`: from now on the statements of this connection are commented."""
    if conf().CORRELATION_SQL_COMMENTS and _execute_commented not in connection.execute_wrappers:
        # At the front: a connection may open inside `with connection.execute_wrapper(...)`, which takes away the last.
        connection.execute_wrappers.insert(0, _execute_commented)


def commented(sql: str, fields: dict[str, str], *, has_params: bool) -> str:
    """`sql` with `fields` in a comment at its end; as it is if it has a comment already (sqlcommenter: hands off).

    The values are URL-encoded, so that none can end the comment. Where parameters go with the statement, a percent
    sign is a driver's placeholder and must be doubled.
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
