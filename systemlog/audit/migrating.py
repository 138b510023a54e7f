"""Triggers while `migrate` runs: installed at its end, and kept in step with the tables on the way there.

Data migrations are recorded. SQLite's ALTER TABLE fails where a trigger names a column that goes, so a table's triggers
are dropped before it changes, and made anew before the next statement that writes to it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit import sqlite
from systemlog.audit.installing import dialect, install
from systemlog.audit.tables import audited_tables

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

logger = logging.getLogger("systemlog.audit")

_changes_table = re.compile(r'\s*(?:ALTER|DROP)\s+TABLE\s+(?:IF\s+EXISTS\s+)?"?([^"\s(]+)', re.IGNORECASE)
_makes_table = re.compile(r"\s*(?:CREATE|ALTER|DROP)\s+TABLE\b", re.IGNORECASE)
_writes = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|WITH|MERGE|TRUNCATE|COPY)\b", re.IGNORECASE)


def begin(sender: object, using: str, **kwargs: object) -> None:
    """Receiver of `pre_migrate`: land what waits under the tables' old names, and watch the connection."""
    connection = connections[using]
    end(connection)
    vendor = dialect(connection)
    if vendor is None:
        return
    with suppress(DatabaseError):  # a log without its table, say: what waits stays
        if vendor.outbox_exists(connection):
            from systemlog.audit.draining import drain_waiting

            drain_waiting(alias=using, seconds=60.0)
    if audited_tables(using) or vendor.existing(connection):
        connection.execute_wrappers.append(_Watch(connection))


def finish(sender: object, using: str, **kwargs: object) -> None:
    """Receiver of `post_migrate`: the watch ends, and the triggers are those that the setting asks for."""
    end(connections[using])
    install(using)


def end(connection: BaseDatabaseWrapper) -> None:
    """Watch the connection no longer. A migration that failed has left a watch behind."""
    connection.execute_wrappers[:] = [each for each in connection.execute_wrappers if not isinstance(each, _Watch)]


class _Watch:
    """An execute wrapper for the time of a `migrate`."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._tables = [table.name for table in audited_tables(connection.alias)]
        self._stale = True
        """Whether tables may have changed since the triggers were made."""
        self._busy = False
        self._former: dict[str, sqlite.FormerTable] = {}
        """Of SQLite: tables that have triggers by a name that the setting does not have."""
        self._bare: set[str] = set()
        """Those of them whose triggers were dropped."""
        if connection.vendor == "sqlite":
            for table in {table for table, _ in sqlite.existing(connection)} - set(self._tables):
                self._former[table] = sqlite.former_table(connection, table)

    def __call__(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = sql if isinstance(sql, str) else ""
        if not self._busy:
            if _makes_table.match(text):
                self._stale = True
                if self._connection.vendor == "sqlite":
                    self._make_way(text)
            elif (self._stale or self._bare) and _writes.match(text):
                if self._stale and any(table in text for table in self._tables):
                    self._catch_up()
                for table in [table for table in self._bare if table in text]:
                    self._restore(table)
        return execute(sql, params, many, context)

    def _make_way(self, sql: str) -> None:
        """Drop the triggers of the table that the statement changes."""
        if not (found := _changes_table.match(sql)):
            return
        self._busy = True
        try:
            with self._connection.cursor() as cursor:
                for table, name in sqlite.existing(self._connection):
                    if table.lower() == found[1].lower():
                        cursor.execute(sqlite.drop_sql(self._connection, table, name))
                        if table in self._former:
                            self._bare.add(table)
        finally:
            self._busy = False

    def _restore(self, table: str) -> None:
        """Make the triggers of a table that the setting does not name, and that had some."""
        self._busy = True
        self._bare.discard(table)
        try:
            with self._connection.cursor() as cursor:
                for statement in sqlite.restoring(self._connection, self._former[table]):
                    cursor.execute(statement)
        finally:
            self._busy = False

    def _catch_up(self) -> None:
        """Make the triggers that are missing; where that cannot be just now, the end of `migrate` does it."""
        self._busy = True
        try:
            with transaction.atomic(using=self._connection.alias):
                install(self._connection.alias, keep=self._former.keys())
            self._stale = False
        except DatabaseError as error:
            logger.warning(
                "Changes of a migration are not recorded: the audit triggers cannot be made before it ends.",
                extra={"action": "audit.install_failed", "error": type(error).__name__},
            )
            self._stale = False
        finally:
            self._busy = False
