"""Keeps the triggers in step with the tables while `migrate` runs, and installs them when it ends.

So the changes of data migrations are recorded too. SQLite's ALTER TABLE fails on a trigger that names a missing column.
Therefore the triggers of a table are dropped before the table changes, and created again before the next write. Until
`migrate` ends, the triggers hide each column that the former triggers or the setting hide. In such a table they also
hide each column that neither knows, because it may be a hidden column under a new name.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.audit.installing import dialect, install
from systemlog.audit.tables import AuditedTable, TriggerTable, audited_tables

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

logger = logging.getLogger("systemlog.audit")

SPACE = r"(?>\s|--[^\n]*\n|/\*.*?\*/)"
NAME = r"""(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[^\s"`\[\]().;]+)"""
TABLE = rf"(?:{NAME}{SPACE}*\.{SPACE}*)?({NAME})"  # perhaps after the name of a schema

_changes_table = re.compile(
    rf"{SPACE}*(?:ALTER|DROP){SPACE}+TABLE{SPACE}+(?:IF{SPACE}+EXISTS{SPACE}+)?(?:ONLY{SPACE}+)?{TABLE}",
    re.IGNORECASE | re.DOTALL,
)
_renames_table = re.compile(rf".*\bRENAME{SPACE}+TO{SPACE}+({NAME})", re.IGNORECASE | re.DOTALL)
_changes_schema = re.compile(rf"{SPACE}*(?:CREATE|ALTER|DROP){SPACE}+TABLE\b", re.IGNORECASE | re.DOTALL)
_writes = re.compile(rf"{SPACE}*(?:INSERT|UPDATE|DELETE|REPLACE|WITH|MERGE|TRUNCATE|COPY)\b", re.IGNORECASE | re.DOTALL)


def begin(sender: object, using: str, **kwargs: object) -> None:
    """Receiver of `pre_migrate`: land the outbox while tables have their old names, and watch the connection."""
    connection = connections[using]
    end(connection)
    vendor = dialect(connection)
    if vendor is None:
        return
    with suppress(DatabaseError):  # the log may have no table yet; then the outbox stays as it is
        if vendor.outbox_exists(connection):
            from systemlog.audit.draining import drain_waiting

            drain_waiting(alias=using, seconds=60.0)
    if audited_tables(using) or vendor.existing(connection):
        watch = _Watch(connection, vendor)
        watch.renew()
        compat.wrap_statements(connection, watch)


def finish(sender: object, using: str, **kwargs: object) -> None:
    """Receiver of `post_migrate`: end the watch, and install the triggers that the setting asks for."""
    end(connections[using])
    install(using)


def end(connection: BaseDatabaseWrapper) -> None:
    """End the watch of a connection. A migration that failed leaves one behind."""
    compat.unwrap_statements(connection, _Watch)


class _Watch:
    """An execute wrapper while `migrate` runs."""

    def __init__(self, connection: BaseDatabaseWrapper, vendor: types.ModuleType) -> None:
        self._connection = connection
        self._vendor = vendor
        self._wanted = {table.name: table for table in audited_tables(connection.alias)}
        self._former: dict[str, TriggerTable] = vendor.installed(connection)
        """The tables that had triggers when `migrate` began, by their current names."""
        self._former_columns = {table: set(vendor.columns(connection, table)) for table in self._former}
        self._stale = False
        """Whether tables may have changed since the triggers were created."""
        self._busy = False

    def __call__(self, execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = sql if isinstance(sql, str) else ""
        if self._busy:
            return execute(sql, params, many, context)
        if _changes_schema.match(text):
            return self._change(text, lambda: execute(sql, params, many, context))
        if self._stale and _writes.match(text) and self._names_any(text):
            self.renew()
        return execute(sql, params, many, context)

    def renew(self) -> None:
        """Create the triggers that fit the tables as they are now."""
        self._busy, self._stale = True, False
        try:
            with transaction.atomic(using=self._connection.alias):
                names = dict.fromkeys((*self._wanted, *self._former))
                install(self._connection.alias, [self._hiding(name) for name in names])
        except DatabaseError as error:
            logger.warning(
                "The audit triggers cannot be renewed before the migration ends.",
                extra={"action": "audit.install_failed", "error": type(error).__name__},
            )
        finally:
            self._busy = False

    def _change(self, sql: str, execute: Callable[[], Any]) -> Any:
        found = _changes_table.match(sql)
        table = self._name_of(found[1]) if found else ""
        if self._connection.vendor == "sqlite":
            self._drop_triggers(table)
        result = execute()
        self._stale = True
        if (renamed := _renames_table.match(sql)) and table in self._former:
            name = _unquoted(renamed[1])
            self._former[name] = dataclasses.replace(self._former.pop(table), name=name)
            self._former_columns[name] = self._former_columns.pop(table)
        elif self._connection.vendor == "postgresql" and self._hides(table):
            self.renew()  # in the transaction of the change, so that no session sees a hidden column by its new name
        return result

    def _names_any(self, sql: str) -> bool:
        text = sql.lower()
        return any(table.lower() in text for table in (*self._wanted, *self._former))

    def _name_of(self, written: str) -> str:
        """Return the name of a table as the database has it. A statement may write it in another case."""
        name = _unquoted(written)
        known = {table.lower(): table for table in (*self._wanted, *self._former)}
        return name if name in known.values() else known.get(name.lower(), name)

    def _drop_triggers(self, table: str) -> None:
        self._busy = True
        try:
            with self._connection.cursor() as cursor:
                for each, name in self._vendor.existing(self._connection):
                    if each.lower() == table.lower():
                        cursor.execute(self._vendor.drop_sql(self._connection, each, name))
        finally:
            self._busy = False

    def _hides(self, table: str) -> bool:
        return any(each.hides for each in (self._wanted.get(table), self._former.get(table)) if each is not None)

    def _hiding(self, name: str) -> TriggerTable:
        """Return the table with all columns that may have to be hidden."""
        former: TriggerTable = self._former.get(name) or TriggerTable(name=name)
        wanted: TriggerTable = self._wanted.get(name) or TriggerTable(name=name)
        exclude, mask = former.exclude | wanted.exclude, former.mask | wanted.mask
        if exclude or mask:
            known = self._former_columns.get(name, set()).copy()
            if isinstance(wanted, AuditedTable):
                known |= wanted.columns
            present = set(self._vendor.columns(self._connection, name))
            mask |= present - known - set(self._vendor.key_columns(self._connection, name))
        return dataclasses.replace(wanted, exclude=exclude, mask=mask - exclude)


def _unquoted(name: str) -> str:
    """Return a name without the quotes that a statement writes it in."""
    return name[1:-1].replace('""', '"') if name[0] in '"`[' else name
