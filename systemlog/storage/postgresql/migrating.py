"""Migrations of a large `system_logs` on PostgreSQL: locking the table, and building indexes, beside writers."""

from __future__ import annotations

import time

from django.core.management.base import CommandError
from django.db import OperationalError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import TABLE
from systemlog.storage.postgresql import partitions
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of

LOCK_MS = 100
TRIES = 300
PAUSE_S = 0.1

INDEXED_SQL = """
    SELECT child.relname, NOT state.indisvalid, EXISTS (SELECT FROM pg_inherits WHERE inhrelid = child.oid)
    FROM pg_index state JOIN pg_class child ON child.oid = state.indexrelid
    WHERE state.indrelid = %s::regclass AND (child.relname = %s OR EXISTS (
        SELECT FROM pg_inherits WHERE inhrelid = child.oid AND inhparent = to_regclass(%s)
    ))
"""


def lock_table(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Lock the table until the transaction ends. Each attempt is short, so that inserts do not queue behind it."""
    with schema_editor.connection.cursor() as cursor:
        _execute_in_turn(cursor, f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")


def build_index(cursor: CursorWrapper, name: str, definition: str) -> None:
    """Build an index of the table, one partition after the other, while others write. Continues an interrupted run.

    `definition` is what follows the table's name. Raises `CommandError` inside a transaction.
    """
    if cursor.db.in_atomic_block:
        raise CommandError("An index cannot be built beside writers inside a transaction.")
    _execute_in_turn(cursor, f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {TABLE} {definition}")
    for partition in partitions.read_partitions(cursor):
        own = f"{name}_{partition.name.removeprefix(TABLE).strip('_')}"[:63]
        cursor.execute(INDEXED_SQL, [partition.name, own, name])
        found = cursor.fetchall()
        if any(attached for _, _, attached in found):
            continue
        if any(invalid for _, invalid, _ in found):  # an interrupted build has left it
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {own}")
        cursor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {own} ON {partition.name} {definition}")
        _execute_in_turn(cursor, f"ALTER INDEX {name} ATTACH PARTITION {own}")


def _execute_in_turn(cursor: CursorWrapper, statement: str) -> None:
    """Run a statement that takes a lock for a moment. Each attempt is short, so that others do not queue behind it."""
    for attempt in range(TRIES):
        try:
            with transaction.atomic(using=cursor.db.alias):
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
                cursor.execute(statement)
                return
        except OperationalError as error:
            if sqlstate_of(error) != LOCK_NOT_AVAILABLE or attempt == TRIES - 1:
                raise
            time.sleep(PAUSE_S)
