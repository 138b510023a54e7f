"""Can a request get a connection to this database now, and would it be answered?"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# A connection to a machine that is gone must end by itself, or its probe would hang for ever: libpq waits two hours
# before it asks for a sign of life. The deadline of the readiness answer does not depend on these.
LIBPQ_LIMITS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}


class Unusable(Exception):
    """The database answers, but cannot be used as it must be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Database:
    """Connects, asks one question, and lets go again.

    A connection that was kept would pass while no new one is to be had, and would take one from the application's
    pool for good. Where the database has a pool, the connection comes from it, so that an exhausted pool is seen.
    """

    alias: str = "default"
    writable: bool = True
    """Whether a database that takes no writes is a failure; False for a replica."""

    def __call__(self) -> None:
        """Raise what a request would run into."""
        with connected_to(self.alias) as connection:
            ASK.get(connection.vendor, _ask_any)(connection, self.writable)


@contextlib.contextmanager
def connected_to(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """A connection for this one run, that ends by itself when its server is gone."""
    connection = connections[alias].copy()
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
    name = str(connection.settings_dict["NAME"])
    in_memory = ":memory:" in name or "mode=memory" in name
    if not in_memory and not name.startswith("file:"):
        # SQLite would make a file that is missing, and opens one that is not writable without a word.
        if not Path(name).exists():
            raise Unusable("the database file is missing")
        if writable and not os.access(name, os.W_OK):
            raise Unusable("the database file is not writable")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master")
        cursor.fetchone()


ASK = {"postgresql": _ask_postgresql, "sqlite": _ask_sqlite}
