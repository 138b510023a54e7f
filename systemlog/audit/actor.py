"""Who makes a change: stamped into the change's own transaction, at the moment of the statement.

PostgreSQL gets it as a setting local to the transaction, in one message with the statement, so that a pooled connection
keeps nobody's name. On SQLite a temporary trigger asks this process by a function.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.audit.tables import is_audited
from systemlog.conf import conf
from systemlog.correlation import current_ids

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

SETTING = "systemlog.context"
OUTBOX = "system_audit_outbox"
MAX_CHARACTERS = 200

_writes = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|CALL|DO)\b"
    r"|(?:\s|--[^\n]*\n|/\*.*?\*/)*WITH\b.*\b(?:INSERT|UPDATE|DELETE|MERGE)\b",
    re.IGNORECASE | re.DOTALL,
)

_commits = re.compile(r"\s*(?:CALL|DO)\b", re.IGNORECASE)
"""May end transactions by themselves, which PostgreSQL refuses in a message of two statements."""

_acting: ContextVar[str | None] = ContextVar("systemlog_acting", default=None)

STAMP_SQL = f"""
    CREATE TEMP TRIGGER systemlog_audit_stamp AFTER INSERT ON main.{OUTBOX} WHEN NEW.ctx IS NULL
    BEGIN UPDATE {OUTBOX} SET ctx = systemlog_audit_context() WHERE seq = NEW.seq; END
"""


@contextmanager
def acting_as(user: object) -> Iterator[None]:
    """Have the changes of the code inside recorded as `user`'s: a user, or the key of one. For scripts and commands."""
    token = _acting.set(None if user is None else str(getattr(user, "pk", user)))
    try:
        yield
    finally:
        _acting.reset(token)


def describe() -> str:
    """Who works just now, as the outbox stores it: letters, digits and `%-._~&=+` alone; empty if nobody is known."""
    correlation_id, trace_id, user_id = current_ids()
    user_id = _acting.get() or user_id
    if correlation_id is None and user_id is None and trace_id is None:
        return ""
    given = (("u", user_id), ("c", correlation_id), ("t", trace_id))
    return urlencode([(name, value[:MAX_CHARACTERS]) for name, value in given if value])


@functools.lru_cache(maxsize=256)
def read(text: str | None) -> Mapping[str, str]:
    """What `describe` told: `u` the user's key, `c` the correlation id, `t` the trace id; `s` names a statement."""
    return dict(parse_qsl(text)) if text else {}


def begin_stamping(sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Receiver of `connection_created`: from now on the changes of this connection tell who made them."""
    if not conf().AUDIT or not is_audited(connection.alias):
        return
    connection.execute_wrappers[:] = [
        each for each in connection.execute_wrappers if not isinstance(each, _StatementCounter)
    ]
    if connection.vendor == "postgresql":
        if stamp_postgresql not in connection.execute_wrappers:
            # At the front, as in `correlation.sql`.
            connection.execute_wrappers.insert(0, stamp_postgresql)
    elif connection.vendor == "sqlite":
        counter = _StatementCounter()
        connection.execute_wrappers.insert(0, counter)
        connection.connection.create_function("systemlog_audit_context", 0, counter.describe)
        stamp_sqlite(connection)


def stamp_sqlite(connection: BaseDatabaseWrapper) -> None:
    """Have an open SQLite connection stamp what comes into the outbox; nothing where there is no outbox yet."""
    cursor = connection.connection.cursor()
    with suppress(compat.sqlite_error()):
        cursor.execute("DROP TRIGGER IF EXISTS temp.systemlog_audit_stamp")
        cursor.execute(STAMP_SQL)
    cursor.close()


class _StatementCounter:
    """An execute wrapper that numbers the statements of a SQLite connection, and tells the actor of each.

    SQLite fires triggers for each row. The number tells the rows of one statement from those of the next.
    """

    __slots__ = ("_number", "_prefix")

    def __init__(self) -> None:
        self._number = 0
        self._prefix = f"{os.urandom(5).hex()}{next(_connections)}"

    def __call__(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        self._number += 1
        return execute(sql, params, many, context)

    def describe(self) -> str:
        """For SQL; never raises, since that would fail the user's statement."""
        try:
            who = describe()
        except Exception:  # noqa: BLE001  (a user object of anybody's)
            who = ""
        return f"{who}{'&' if who else ''}s={self._prefix}.{self._number}"


_connections = itertools.count()
_stamped = threading.local()


def stamp_postgresql(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """An execute wrapper that puts the actor in front of each statement that writes."""
    if not isinstance(sql, str) or sql.startswith("SELECT") or not _writes.match(sql):
        return execute(sql, params, many, context)
    connection: BaseDatabaseWrapper = context["connection"]
    try:
        who = describe()
    except Exception:  # noqa: BLE001  (a user object of anybody's)
        who = ""
    names = _stamped.__dict__
    if not who:
        # In autocommit nothing is left of an earlier one; in a transaction there may be.
        if connection.get_autocommit() or not names.get(connection.alias):
            return execute(sql, params, many, context)
    else:
        names[connection.alias] = True
    stamp = f"SELECT pg_catalog.set_config('{SETTING}', '{who}', true)"
    cursor = context["cursor"].cursor
    if connection.get_autocommit() and _commits.match(sql):
        return execute(sql, params, many, context)
    if many or compat.binds_on_server(connection):
        if not connection.get_autocommit():
            cursor.execute(stamp)
            return execute(sql, params, many, context)
        with transaction.atomic(using=connection.alias):
            cursor.execute(stamp)
            return execute(sql, params, many, context)
    if params is not None:
        stamp = stamp.replace("%", "%%")
    result = execute(f"{stamp}; {sql}", params, many, context)
    with suppress(DatabaseError):
        cursor.nextset()  # past the answer to the stamp
    return result
