"""Brings every database up to date before serving; of several servers that start at once, one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import Error

POLL_S = 0.1
ADVISORY_LOCK = int.from_bytes(b"ops_plat")
TRY_LOCK_SQL = "SELECT pg_try_advisory_lock(%s)"


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
def alone() -> Iterator[None]:
    """Hold the lock that servers of the same default database share."""
    connection = connections["default"]
    hold = _advisory_lock if connection.vendor == "postgresql" else _file_lock
    with hold(connection):
        yield


def migrate(verbosity: int) -> None:
    """Apply what is missing, on every alias; silent where nothing is."""
    for alias in connections:
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", database=alias, interactive=False, verbosity=verbosity)


@contextlib.contextmanager
def _advisory_lock(connection: BaseDatabaseWrapper) -> Iterator[None]:
    # A session of its own, so that it outlasts what migrations do to theirs. Polled, for a session that waits
    # inside pg_advisory_lock() holds a snapshot, and another's CREATE INDEX CONCURRENTLY waits for that: a deadlock.
    session = connection.copy()
    try:
        while True:
            with session.cursor() as cursor:
                cursor.execute(TRY_LOCK_SQL, [ADVISORY_LOCK])
                (locked,) = cursor.fetchone()
            if locked:
                break
            time.sleep(POLL_S)
        yield
    finally:
        session.close()


@contextlib.contextmanager
def _file_lock(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with open(f"{connection.settings_dict['NAME']}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
