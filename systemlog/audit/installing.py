"""Puts the setting `AUDIT` into force: the outbox and the triggers of a database, made, replaced and removed.

A trigger's name ends in the hash of its text, so that what is missing or outdated shows in the names alone.
"""

from __future__ import annotations

import types
from collections.abc import Collection

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit import actor, postgresql, sqlite
from systemlog.audit.tables import audited_tables

VENDORS = {"postgresql": postgresql, "sqlite": sqlite}


def dialect(connection: BaseDatabaseWrapper) -> types.ModuleType | None:
    """The module of the database's vendor; None where nothing can be audited."""
    return VENDORS.get(connection.vendor)


def install(alias: str, keep: Collection[str] = ()) -> bool:
    """Have the database's triggers be those that the setting asks for; says whether anything was changed.

    The triggers of tables to `keep` stay, asked for or not.
    """
    connection = connections[alias]
    vendor = dialect(connection)
    if vendor is None:
        return False
    tables = audited_tables(alias)
    if not tables and not vendor.outbox_exists(connection):
        return False
    missing, needless = drift(connection)
    needless = [(table, name) for table, name in needless if table not in keep]
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
        vendor.tidy(connection)
    if vendor is sqlite and tables:
        actor.begin_stamping(None, connection)
    return True


def drift(connection: BaseDatabaseWrapper) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The triggers that are missing, and those that are outdated, disabled, or not asked for any longer.

    Each by its table and name.
    """
    vendor = dialect(connection)
    if vendor is None:
        return [], []
    wanted = vendor.expected(connection, audited_tables(connection.alias))
    there = vendor.existing(connection)
    missing = [key for key in wanted if not there.get(key)]
    needless = [key for key, enabled in there.items() if key not in wanted or not enabled]
    return missing, needless
