"""The actor of a change: the user, the correlation id and the trace id at the moment of the statement.

On PostgreSQL they are sent in one message with the statement, as a setting that ends with the transaction. So no actor
is left on a pooled connection. On SQLite a temporary trigger calls a function of this process.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.audit.tables import is_audited, names_audited_table
from systemlog.conf import conf
from systemlog.correlation import current, current_ids
from systemlog.correlation.context import carried_variables

WRITES = ("INSERT ", "UPDATE ", "DELETE ")
"""The first words of the writing statements that Django makes."""

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

SETTING = "systemlog.context"
OUTBOX = "system_audit_outbox"
MAX_CHARACTERS = 200

_writes = re.compile(
    r"(?>\s|--[^\n]*\n|/\*.*?\*/|\()*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|COPY|EXECUTE|EXPLAIN|CALL|DO)\b"
    r"|(?>\s|--[^\n]*\n|/\*.*?\*/)*WITH\b.*\b(?:INSERT|UPDATE|DELETE|MERGE)\b",
    re.IGNORECASE | re.DOTALL,
)

_commits = re.compile(r"\s*(?:CALL|DO)\b", re.IGNORECASE)
"""Statements that may end a transaction. PostgreSQL refuses them in a message of two statements."""

_acting: ContextVar[str | None] = ContextVar("systemlog_acting", default=None)
carried_variables.append(_acting)

STAMP_SQL = f"""
    CREATE TEMP TRIGGER systemlog_audit_stamp AFTER INSERT ON main.{OUTBOX} WHEN NEW.ctx IS NULL
    BEGIN UPDATE {OUTBOX} SET ctx = systemlog_audit_context() WHERE seq = NEW.seq; END
"""


@contextmanager
def acting_as(user: object) -> Iterator[None]:
    """Record the changes of a block of code as made by `user`, a user or the key of one. For scripts and commands."""
    key = getattr(user, "pk", user)  # None for a user who is anonymous or not saved
    token = _acting.set(None if key is None else str(key))
    try:
        yield
    finally:
        _acting.reset(token)


def encode() -> str:
    """Return the current actor as the outbox stores it, or an empty string if no actor is known.

    The text holds only letters, digits and `%-._~&=+`, so it can stand in SQL.
    """
    correlation_id, trace_id, user_id = current_ids()
    user_id = _acting.get() or user_id
    if correlation_id is None and user_id is None and trace_id is None:
        return ""
    given = (("u", user_id), ("c", correlation_id), ("t", trace_id))
    return urlencode([(name, value[:MAX_CHARACTERS]) for name, value in given if value])


@functools.lru_cache(maxsize=256)
def decode(text: str | None) -> Mapping[str, str]:
    """Parse the text of `encode`: `u` is the user, `c` the correlation id, `t` the trace id, `s` the statement."""
    return dict(parse_qsl(text)) if text else {}


def begin_stamping(sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Receiver of `connection_created`: send the actor with each change of this connection."""
    if not conf().AUDIT or not is_audited(connection.alias):
        return
    compat.unwrap_statements(connection, _StatementCounter)
    if connection.vendor == "postgresql":
        compat.wrap_statements(connection, stamp_postgresql)
    elif connection.vendor == "sqlite":
        counter = _StatementCounter()
        compat.wrap_statements(connection, counter)
        connection.connection.create_function("systemlog_audit_context", 0, counter.encode)
        stamp_sqlite(connection)


def stamp_sqlite(connection: BaseDatabaseWrapper) -> None:
    """Create the trigger that writes the actor into the outbox, if the database has an outbox."""
    cursor = connection.connection.cursor()
    with suppress(compat.sqlite_error()):
        cursor.execute("DROP TRIGGER IF EXISTS temp.systemlog_audit_stamp")
        cursor.execute(STAMP_SQL)
    cursor.close()


class _StatementCounter:
    """An execute wrapper that numbers the statements of a SQLite connection.

    SQLite runs triggers for each row. The number shows which rows belong to one statement.
    """

    __slots__ = ("_number", "_prefix")

    def __init__(self) -> None:
        self._number = 0
        self._prefix = f"{os.urandom(5).hex()}{next(_connections)}"

    def __call__(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if isinstance(sql, str) and not sql.startswith("SELECT"):
            _load_user(sql, context["connection"])
        self._number += 1
        return execute(sql, params, many, context)

    def encode(self) -> str:
        """Return the current actor and the number of the statement. The SQLite trigger calls this."""
        who = _encode_safely()
        return f"{who}{'&' if who else ''}s={self._prefix}.{self._number}"


_connections = itertools.count()
_sent = threading.local()
"""For each thread: the aliases whose connections have ever sent an actor."""


def stamp_postgresql(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """An execute wrapper that sends the actor before each statement that writes."""
    if not isinstance(sql, str) and hasattr(sql, "as_string"):  # a composed statement of psycopg
        sql = sql.as_string(context["cursor"].cursor)
    if isinstance(sql, str) and (sql.startswith(WRITES) or (not sql.startswith("SELECT") and _writes.match(sql))):
        connection: BaseDatabaseWrapper = context["connection"]
        _load_user(sql, connection)
        who, sent = _encode_safely(), _sent.__dict__
        if who or sent.get(connection.alias):  # without this, the transaction cannot have an earlier actor to replace
            sent[connection.alias] = True
            autocommit = connection.get_autocommit()
            if not autocommit or (who and not _commits.match(sql)):
                stamp = f"SELECT pg_catalog.set_config('{SETTING}', '{who}', true)"
                return _execute_with(stamp, autocommit, execute, sql, params, many, context)
    return execute(sql, params, many, context)


def _execute_with(
    stamp: str, autocommit: bool, execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    cursor, connection = context["cursor"].cursor, context["connection"]
    in_pipeline = compat.in_pipeline(connection)
    if many or in_pipeline or compat.binds_on_server(connection):
        # A pipeline is one transaction already, and its cursors keep the results of all their statements.
        with transaction.atomic(using=connection.alias) if autocommit and not in_pipeline else nullcontext():
            with connection.connection.cursor() as own:
                own.execute(stamp)
            return execute(sql, params, many, context)
    if params is not None:
        stamp = stamp.replace("%", "%%")
    result = execute(f"{stamp}; {sql}", params, many, context)
    with suppress(DatabaseError):
        cursor.nextset()  # skips the result of the stamp
    return result


def _load_user(sql: str, connection: BaseDatabaseWrapper) -> None:
    """Load the user of a request that changes an audited table before anything asked for its user.

    The user's statement must not fail for this. So in a transaction there is a savepoint, to which a failed query of
    the session or the user is rolled back.
    """
    correlation = current()
    if correlation is None or not correlation.may_load_user or _acting.get() or not names_audited_table(sql):
        return
    savepoint = nullcontext() if connection.get_autocommit() else transaction.atomic(using=connection.alias)
    with suppress(Exception), savepoint:
        correlation.load_user()


def _encode_safely() -> str:
    """Return the current actor, or an empty string after an exception. The user's statement must not fail for it."""
    try:
        return encode()
    except Exception:  # noqa: BLE001  (from a user model of the project)
        return ""
