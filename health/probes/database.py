"""Probe of a database: whether a request could get a connection now, and an answer."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# A connection to a host that is gone must fail by itself, or the probe would hang: libpq's keepalive begins after two
# hours. The deadline of the readiness answer does not depend on these limits.
LIBPQ_LIMITS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}


class Unusable(Exception):
    """The database answers, but cannot be used as required."""


@dataclasses.dataclass(frozen=True, slots=True)
class Database:
    """Opens a connection, runs one query, and closes the connection.

    A kept connection would still work while no new one can be opened, and would be missing in the application's pool.
    If the database has a pool, the connection comes from it, so that an exhausted pool is a failure.
    """

    alias: str = "default"
    writable: bool = True
    """Whether a database that refuses writes is a failure. Set it to False for a replica."""

    def __call__(self) -> None:
        """Raise the exception that a request would get."""
        with connected_to(self.alias) as connection:
            ASK.get(connection.vendor, _ask_any)(connection, self.writable)


@contextlib.contextmanager
def connected_to(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """Yield a new connection, with limits that make it fail by itself when the server is gone.

    Raises `Unusable` if the file of an SQLite database is missing.
    """
    connection = connections[alias].copy()
    if connection.vendor == "sqlite" and (file := _file_of(connection)) and not file.exists():
        # SQLite would create the file, and the next probe would find an empty database instead of none.
        raise Unusable("the database file is missing")
    if connection.vendor == "postgresql" and not connection.settings_dict["OPTIONS"].get("pool"):
        connection.settings_dict["OPTIONS"] = {**LIBPQ_LIMITS, **connection.settings_dict["OPTIONS"]}
    try:
        yield connection
    finally:
        connection.close()


def _ask_any(connection: BaseDatabaseWrapper, writable: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1{connection.features.bare_select_suffix}")
        cursor.fetchone()


def _ask_postgresql(connection: BaseDatabaseWrapper, writable: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        (read_only,) = cursor.fetchone()
    if writable and read_only == "on":
        raise Unusable("takes no writes: it is a standby, or default_transaction_read_only is on")


def _ask_sqlite(connection: BaseDatabaseWrapper, writable: bool) -> None:
    # SQLite opens a file that is not writable without an error.
    if writable and (file := _file_of(connection)) and not os.access(file, os.W_OK):
        raise Unusable("the database file is not writable")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master")
        cursor.fetchone()


def _file_of(connection: BaseDatabaseWrapper) -> Path | None:
    """Return the file of an SQLite database; None if it is in memory, or named by a URI."""
    name = str(connection.settings_dict["NAME"])
    in_memory = ":memory:" in name or "mode=memory" in name
    return None if in_memory or name.startswith("file:") else Path(name)


ASK = {"postgresql": _ask_postgresql, "sqlite": _ask_sqlite}
