"""Chooses the storage class for the vendor of a database."""

from __future__ import annotations

from django.db import NotSupportedError, connections

from systemlog.conf import conf
from systemlog.storage.base import Storage
from systemlog.storage.postgresql.citus import CitusStorage
from systemlog.storage.postgresql.store import PostgreSQLStorage
from systemlog.storage.sqlite.store import SQLiteStorage

STORAGES: dict[str, type[Storage]] = {"postgresql": PostgreSQLStorage, "sqlite": SQLiteStorage}


def get_storage(alias: str | None = None) -> Storage:
    """Return the storage on the connection of this alias, by default of `SYSTEMLOG["DATABASE"]`.

    Raises `NotSupportedError` for a vendor other than PostgreSQL and SQLite.
    """
    connection = connections[alias or conf().DATABASE]
    if conf().CITUS and connection.vendor == "postgresql":
        return CitusStorage(connection)
    try:
        return STORAGES[connection.vendor](connection)
    except KeyError:
        raise NotSupportedError(
            f"The system log cannot be stored in {connection.vendor}: "
            "point SYSTEMLOG['DATABASE'] at PostgreSQL or SQLite."
        ) from None
