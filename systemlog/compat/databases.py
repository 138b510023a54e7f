"""Private APIs of Django's database layer and of its drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import tzinfo
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.db.models import QuerySet
from django.db.models.expressions import Col
from django.db.models.sql import Query
from django.db.models.sql.datastructures import BaseTable

Q = TypeVar("Q", bound=QuerySet[Any, Any])


def uses_psycopg3() -> bool:
    """Whether Django's PostgreSQL backend uses psycopg 3. Raises `ImportError` where it has no driver at all.

    Django makes that choice in an undocumented module (5.2, 6.0, 6.1).
    """
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def binds_on_server(connection: BaseDatabaseWrapper) -> bool:
    """Whether a PostgreSQL connection sends parameters separately. A message can then have only one statement.

    Django keeps the option `server_side_binding` in its settings, and documents no way to read it (5.2, 6.0, 6.1).
    """
    return bool(connection.settings_dict.get("OPTIONS", {}).get("server_side_binding"))


def in_pipeline(connection: BaseDatabaseWrapper) -> bool:
    """Whether a PostgreSQL connection is in psycopg's pipeline mode, where a message can have only one statement.

    Django has no interface for pipelines. They are entered on psycopg's connection, which documents the status.
    """
    driver = getattr(connection.connection, "pgconn", None)
    return driver is not None and bool(driver.pipeline_status)


def columns_behind(field: Any) -> set[str]:
    """Return the columns from which the database computes a `GeneratedField`.

    Django resolves the expression in the same way (5.2, 6.0, 6.1), and tells the fields from 6.0 on.
    """
    query = Query(model=field.model, alias_cols=False)
    expression = field.expression.resolve_expression(query, allow_joins=False)
    return {str(each.target.column) for each in expression.flatten() if isinstance(each, Col)}


def sqlite_error() -> type[Exception]:
    """Return the exception class of raw SQLite cursors. Only Django's own cursors translate it (5.2, 6.0, 6.1)."""
    import sqlite3

    return sqlite3.Error


def wrap_statements(connection: BaseDatabaseWrapper, wrapper: Callable[..., Any]) -> None:
    """Run every SQL statement of the connection through `wrapper`. Calling this twice has no effect.

    Django's context manager for this removes the wrapper at its end, so the list behind it is used (`execute_wrappers`;
    5.2, 6.0, 6.1). The wrapper is put first, because a connection may open inside that context manager, which removes
    the last one.
    """
    if wrapper not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, wrapper)


def unwrap_statements(connection: BaseDatabaseWrapper, kind: type) -> None:
    """Remove the wrappers of a class that `wrap_statements` added to a connection."""
    connection.execute_wrappers[:] = [each for each in connection.execute_wrappers if not isinstance(each, kind)]


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the connection is inside `transaction.atomic()`.

    Django documents `get_autocommit()`, which is also False where a project has switched autocommit off and no block is
    open (`in_atomic_block`; 5.2, 6.0, 6.1).
    """
    return connection.in_atomic_block


def zone_of(connection: BaseDatabaseWrapper) -> tzinfo | None:
    """Return the time zone in which a database without time zones keeps its times (`timezone`; 5.2, 6.0, 6.1)."""
    return connection.timezone


def drop_unusable(connection: BaseDatabaseWrapper) -> None:
    """Close the connection if an error has made it unusable, or its `CONN_MAX_AGE` is over.

    `django.db.close_old_connections` does so for all aliases of a thread, but not for connections that belong to no
    alias (`close_if_unusable_or_obsolete`; 5.2, 6.0, 6.1).
    """
    connection.close_if_unusable_or_obsolete()


def connect(connection: BaseDatabaseWrapper) -> None:
    """Connect to the database unless the connection is open (`ensure_connection`; 5.2, 6.0, 6.1)."""
    connection.ensure_connection()


@contextmanager
def separate_connection(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """Open a second connection to the same database, without autocommit, and close it at the end of the block.

    Closing it rolls back whatever was not committed. Django documents neither `copy()` of a connection nor its
    `set_autocommit()` (5.2, 6.0, 6.1), and `transaction.atomic` accepts only the connections of aliases.
    """
    own = connection.copy()
    try:
        own.set_autocommit(False)
        yield own
    finally:
        own.close()


def wrapped_errors(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Turn the driver's exceptions in the block into Django's.

    Django's cursors do so, but not for COPY, a method of the driver's cursor. The attribute is not documented (5.2,
    6.0, 6.1).
    """
    return connection.wrap_database_errors


class _Source(BaseTable):
    """The call of a database function, or a subquery, in place of a table in the FROM clause of a query."""

    def __init__(self, table: str, alias: str | None, sql: str, arguments: Sequence[Any]) -> None:
        super().__init__(table, alias)
        self.sql = sql
        self.arguments = tuple(arguments)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the source, with the alias of the table as the other parts of the query write it."""
        # Django 6.1 quotes aliases, and calls the method quote_name(); earlier versions do not quote them.
        quote = compiler.quote_name if hasattr(compiler, "quote_name") else compiler.quote_name_unless_alias
        return f"{self.sql} {quote(self.table_alias)}", self.arguments

    def relabeled_clone(self, change_map: dict[str | None, str]) -> _Source:
        """Return a copy with another alias."""
        alias = change_map.get(self.table_alias, self.table_alias)
        return _Source(self.table_name, alias, self.sql, self.arguments)


def select_from_function(records: Q, function: str, arguments: Sequence[Any]) -> Q:
    """Return the same query on the rows that a database function returns, in place of the model's table."""
    return select_from(records, f"{function}({', '.join(['%s'] * len(arguments))})", arguments)


def select_from(records: Q, sql: str, arguments: Sequence[Any]) -> Q:
    """Return the same query on the rows of a subquery or a function call, in place of the model's table.

    Django has no documented way to replace the table of a query: this exchanges an entry of `Query.alias_map` (5.2,
    6.0, 6.1).
    """
    found = records.all()
    alias = found.query.get_initial_alias()
    found.query.alias_map[alias] = _Source(found.model._meta.db_table, alias, sql, arguments)
    return found


@contextmanager
def creating_partitioned(schema_editor: BaseDatabaseSchemaEditor, column: str) -> Iterator[None]:
    """Partition the tables that the schema editor creates in the block by ranges of the column.

    The statement is an attribute of the editor's class, which Django does not document (5.2, 6.0, 6.1). It is replaced
    on this editor only.
    """
    schema_editor.sql_create_table += f" PARTITION BY RANGE ({schema_editor.quote_name(column)})"
    try:
        yield
    finally:
        del schema_editor.sql_create_table


def forget_rendered_models(state: ProjectState) -> None:
    """Make a migration state render its models again, with the fields that were changed in it.

    Django caches the rendered models in `apps`, and documents no way to remove them (5.2, 6.0, 6.1).
    """
    state.__dict__.pop("apps", None)
