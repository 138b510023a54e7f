"""Creates, replaces and drops the outbox and the triggers of a database, as the setting `AUDIT` asks for.

The name of a trigger ends in the hash of its text, so names alone tell which triggers are missing or outdated.
"""

from __future__ import annotations

import types
from collections.abc import Iterable

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit import actor, postgresql, sqlite
from systemlog.audit.tables import TriggerTable, audited_tables

VENDORS = {"postgresql": postgresql, "sqlite": sqlite}


def dialect(connection: BaseDatabaseWrapper) -> types.ModuleType | None:
    """Return the module for the database's vendor, or None if it cannot be audited."""
    return VENDORS.get(connection.vendor)


def install(alias: str, tables: Iterable[TriggerTable] | None = None) -> bool:
    """Create missing triggers and drop others, and return whether anything changed.

    `tables` are the tables that must have triggers. By default the setting decides.
    """
    connection = connections[alias]
    vendor = dialect(connection)
    if vendor is None:
        return False
    tables = audited_tables(alias) if tables is None else list(tables)
    if not tables and not vendor.outbox_exists(connection):
        return False
    missing, needless = drift(connection, tables)
    if not missing and not needless and vendor.outbox_exists(connection):
        return False
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if vendor is postgresql:
            cursor.execute(postgresql.LOCK_SQL)
        vendor.create_outbox(connection)
        for table, name in needless:
            cursor.execute(vendor.drop_sql(connection, table, name))
        there = vendor.existing(connection)
        for key, statements in vendor.expected(connection, tables).items():
            if not there.get(key):
                for statement in statements:
                    cursor.execute(statement)
        vendor.drop_unused(connection)
    if vendor is sqlite and tables:
        actor.begin_stamping(None, connection)
    return True


def drift(
    connection: BaseDatabaseWrapper, tables: Iterable[TriggerTable] | None = None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the missing and the superfluous triggers (outdated, disabled, not in the setting), by table and name."""
    vendor = dialect(connection)
    if vendor is None:
        return [], []
    wanted = vendor.expected(connection, audited_tables(connection.alias) if tables is None else tables)
    there = vendor.existing(connection)
    missing = [key for key in wanted if not there.get(key)]
    needless = [key for key, enabled in there.items() if key not in wanted or not enabled]
    return missing, needless
