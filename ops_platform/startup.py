"""Migrates all databases before the server starts. If several servers start at once, one migrates at a time."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from ops_platform.compat import has_pending_migrations
from systemlog.audit.installing import install
from systemlog.compat import separate_connection

POLL_S = 0.1
ADVISORY_LOCK = int.from_bytes(b"ops_plat")
TRY_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(%s)"
OUTLAST_TIMEOUTS_SQL = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""
"""Turns off timeouts that would end the transaction. `transaction_timeout` exists since PostgreSQL 17."""

SILENT_S = 3.0
"""A waiting server reports that it waits after this time, then after twice the time, and so on."""


class UnreachableError(Exception):
    """A database did not answer in time. The text has its alias and the driver's message."""


def wait_for_databases(patience_s: float) -> None:
    """Wait until every database answers. Raises `UnreachableError` after `patience_s` seconds."""
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
    """Hold the lock of the default database. `waiting` is called while another server holds it."""
    connection = connections["default"]
    hold = _advisory_lock if connection.vendor == "postgresql" else _file_lock
    with hold(connection, waiting):
        yield


def migrate(verbosity: int) -> None:
    """Apply missing migrations on every database. Print nothing if all are applied."""
    for alias in connections:
        if has_pending_migrations(connections[alias]):
            call_command("migrate", database=alias, interactive=False, verbosity=verbosity)
        else:
            install(alias)  # the setting AUDIT may have changed since the last migration


@contextlib.contextmanager
def _advisory_lock(connection: BaseDatabaseWrapper, waiting: Callable[[], None]) -> Iterator[None]:
    # The lock has a connection of its own, because migrations may close theirs. A transaction holds the lock, because
    # after a transaction a pooler (PgBouncer) gives the session to another client, with every lock of the session. The
    # transaction is idle and must have no snapshot: a CREATE INDEX CONCURRENTLY elsewhere would wait for it. A
    # statement that waits for the lock has a snapshot, so the lock is polled instead.
    with separate_connection(connection) as own:

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
