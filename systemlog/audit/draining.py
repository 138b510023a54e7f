"""Lands the outboxes: each change becomes a record exactly once.

A batch is stored first, and deleted from the outbox after the commit. After a crash in between, the batch is read
again. Its records get the same keys as before, so that the log does not store them twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog import compat
from systemlog.audit.changes import Origin, bare_record, batches, records
from systemlog.audit.installing import dialect
from systemlog.audit.outbox import MAX_ENTRIES, Entry, delete_entries, oldest, read_entries, source_of
from systemlog.audit.tables import aliases
from systemlog.conf import conf
from systemlog.records.row import Row
from systemlog.storage import Storage, get_storage

logger = logging.getLogger("systemlog.audit")

EVERY_S = 0.2
"""Time between two reads of an outbox, unless the last batch left entries behind."""

RETRY_S = 5.0
"""Time until an outbox that cannot be read, or does not exist, is tried again."""

WAITING_ENTRIES = 1000
WAITING_S = 0.05
"""The limits of what a search lands before it reads."""


class Outboxes:
    """The outboxes of all databases with audited tables, for one lander."""

    def __init__(self, storage: Callable[[], Storage] = get_storage) -> None:
        self._storage = storage
        self._due: dict[str, float] = {}
        """When the outbox of each alias is read next, by the monotonic clock."""
        self._down: set[str] = set()

    def drain(self) -> int:
        """Land a batch of each outbox that is due, and return the number of entries.

        Raises the errors of the log's database. If another database does not answer, logs that once and tries it again.
        """
        done = 0
        for alias in aliases():
            if time.monotonic() < self._due.get(alias, 0.0):
                continue
            connection = connections[alias]
            try:
                if not can_drain(connection):
                    self._due[alias] = time.monotonic() + RETRY_S
                    continue
                count, more = drain_batch(connection, self._storage())
            except (DatabaseError, InterfaceError) as error:
                if alias == conf().DATABASE or not _is_broken(connection):
                    raise
                self._due[alias] = time.monotonic() + RETRY_S
                self._log_down(alias, error)
                continue
            self._down.discard(alias)
            done += count
            self._due[alias] = 0.0 if more else time.monotonic() + EVERY_S
            _release_pooled(connection)
        return done

    def _log_down(self, alias: str, error: Exception) -> None:
        with suppress(Exception):  # closing a broken connection may fail
            connections[alias].close()
        if alias not in self._down:
            self._down.add(alias)
            logger.warning(
                "An audit outbox cannot be read; its changes wait there.",
                extra={"action": "audit.down", "database": alias, "error": type(error).__name__},
            )


def drain_waiting(alias: str | None = None, *, entries: int = WAITING_ENTRIES, seconds: float = WAITING_S) -> int:
    """Land the outbox of one database, or of all, before a read, and return the number of entries.

    Does nothing inside a transaction, because a rollback could undo only the records, or only the deletion from the
    outbox. Raises `DatabaseError`.
    """
    until = time.monotonic() + seconds
    done = 0
    for each in aliases() if alias is None else [alias]:
        connection = connections[each]
        if not _is_free(connection) or not can_drain(connection):
            continue
        storage = get_storage()
        more = True
        while more and done < entries:
            count, more = drain_batch(connection, storage, min(entries, MAX_ENTRIES))
            done += count
            if not count or time.monotonic() > until:  # one batch is landed in any case, on a busy machine too
                break
    return done


def drain_batch(connection: BaseDatabaseWrapper, storage: Storage, limit: int = MAX_ENTRIES) -> tuple[int, bool]:
    """Land one batch of an outbox, and return the number of entries and whether more may wait."""
    entries = read_entries(connection, limit)
    if not entries:
        return 0, False
    more = len(entries) > 1
    zone = None if connection.vendor == "postgresql" else connection.timezone or UTC
    origin = Origin(connection.alias, source_of(connection), zone)
    parts = batches(entries, more=len(entries) == limit)
    rows = list(records(parts, origin))
    try:
        storage.insert_durably(rows)
    except (DatabaseError, ValueError) as error:
        if isinstance(error, DatabaseError) and not storage.refuses_rows(error):
            raise
        _insert_singly(storage, parts, origin)
    taken = [entry for part in parts for entry in part]
    delete_entries(connection, taken)
    return len(taken), more


def can_drain(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox whose entries can be deleted. On a standby they cannot."""
    vendor = None if _would_create(connection) else dialect(connection)
    return vendor is not None and bool(vendor.outbox_is_writable(connection))


def waiting_age_s() -> float:
    """Return the age of the oldest change in any outbox in seconds, 0 if all are empty. Raises `DatabaseError`."""
    found = [
        at
        for alias in aliases()
        if not _would_create(connections[alias])
        if (vendor := dialect(connections[alias])) and vendor.outbox_exists(connections[alias])
        if (at := oldest(connections[alias])) is not None
    ]
    return max(0.0, (datetime.now(UTC) - min(found)).total_seconds()) if found else 0.0


def _insert_singly(storage: Storage, parts: Sequence[Sequence[Entry]], origin: Origin) -> None:
    """Insert records one by one. A record that the database refuses is inserted without its values."""
    for part in parts:
        for row in records([part], origin):
            try:
                storage.insert_durably([row])
            except (DatabaseError, ValueError) as error:
                if isinstance(error, DatabaseError) and not storage.refuses_rows(error):
                    raise
                bare: Row = bare_record(part[0], origin)
                storage.insert_durably([row._replace(context=bare.context, message=row.category, user_id=None)])


def _is_free(connection: BaseDatabaseWrapper) -> bool:
    log = connections[conf().DATABASE]
    return compat.in_tests() or log is connection or not (connection.in_atomic_block or log.in_atomic_block)


def _would_create(connection: BaseDatabaseWrapper) -> bool:
    """Return whether connecting would make SQLite create the missing file of the database.

    The empty file would hide from probes that the database is gone.
    """
    if connection.vendor != "sqlite" or connection.connection is not None:
        return False
    name = str(connection.settings_dict["NAME"])
    in_memory = ":memory:" in name or "mode=memory" in name
    return not in_memory and not name.startswith("file:") and not Path(name).exists()


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    """Return whether this database is the one that failed, and not the log's database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return True
    return False


def _release_pooled(connection: BaseDatabaseWrapper) -> None:
    if connection.settings_dict.get("OPTIONS", {}).get("pool"):
        connection.close()  # the connections of a pool are for requests
