"""Brings every database up to date before serving; of several servers that start at once, one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import Error

POLL_S = 0.1
ADVISORY_LOCK = int.from_bytes(b"ops_plat")
TRY_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(%s)"
OUTLAST_TIMEOUTS_SQL = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""
"""`transaction_timeout` came with PostgreSQL 17."""

SILENT_S = 3.0
"""After so long a server that waits says so, and again each time that it has waited twice as long."""


class UnreachableError(Exception):
    """The database of an alias did not answer in time; the text says which, and what its driver said."""


def wait_for_databases(patience_s: float) -> None:
    """Return when every database answers; raise `UnreachableError` after `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    for connection in connections.all():
        while True:
            try:
                connection.ensure_connection()
                break
            except Error as error:
                if time.monotonic() > deadline:
                    reason = str(error).strip().partition("\n")[0]
                    raise UnreachableError(
                        f"The database of alias {connection.alias!r} cannot be reached: {reason}"
                    ) from error
            time.sleep(POLL_S)


@contextlib.contextmanager
def alone(waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock that servers of the same default database share; `waiting` is called while another holds it."""
    connection = connections["default"]
    hold = _advisory_lock if connection.vendor == "postgresql" else _file_lock
    with hold(connection, waiting):
        yield


def migrate(verbosity: int) -> None:
    """Apply what is missing, on every alias; silent where nothing is."""
    for alias in connections:
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", database=alias, interactive=False, verbosity=verbosity)


@contextlib.contextmanager
def _advisory_lock(connection: BaseDatabaseWrapper, waiting: Callable[[], None]) -> Iterator[None]:
    # On a connection of its own, so that the lock outlasts what migrations do to theirs, and in a transaction: a pooler
    # (PgBouncer) gives the session to somebody else afterwards, with every lock that belongs to the session. The
    # transaction is idle, without a snapshot for which another's CREATE INDEX CONCURRENTLY would wait; a statement that
    # waits for the lock has one, so this one tries again and again.
    own = connection.copy()
    try:
        own.set_autocommit(False)

        def locks() -> bool:
            with own.cursor() as cursor:
                cursor.execute(TRY_LOCK_SQL, [ADVISORY_LOCK])
                (locked,) = cursor.fetchone()
                if locked:
                    cursor.execute(OUTLAST_TIMEOUTS_SQL)
                else:
                    own.rollback()
            return bool(locked)

        _try_until(locks, waiting)
        yield
        own.rollback()
    finally:
        own.close()


@contextlib.contextmanager
def _file_lock(connection: BaseDatabaseWrapper, waiting: Callable[[], None]) -> Iterator[None]:
    with open(f"{connection.settings_dict['NAME']}.lock", "w") as file:

        def locks() -> bool:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False

        _try_until(locks, waiting)
        yield


def _try_until(locks: Callable[[], bool], waiting: Callable[[], None]) -> None:
    begun, silent_s = time.monotonic(), SILENT_S
    while not locks():
        if time.monotonic() - begun > silent_s:
            waiting()
            silent_s *= 2
        time.sleep(POLL_S)
