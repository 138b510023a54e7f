"""The frontier: all hours before it are closed. Whatever code stores a record in a closed hour must write a note."""

from __future__ import annotations

import time
from datetime import datetime

from django.db import OperationalError, transaction

from systemlog.digests.notes import SLOTS, WRITE_LOCK_SQLITE, slots_of
from systemlog.digests.statements import HOUR
from systemlog.exceptions import SystemLogError
from systemlog.models import DigestFrontier
from systemlog.storage import Storage
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of

EXCLUSIVE_SQL = "SELECT count(pg_advisory_xact_lock(hashtext('systemlog.digests'), slot)) FROM unnest(%s::int[]) slot"
LOCK_TIMEOUT = "40ms"
"""How long the lock request waits. Meanwhile, writers to these hours queue behind it."""

PAUSE_S = 0.1
TABLE = DigestFrontier._meta.db_table
MOVE_SQL = f"""
    INSERT INTO {TABLE} (id, until, log) VALUES (1, %s, %s)
    ON CONFLICT (id) DO UPDATE SET until = excluded.until, log = excluded.log
"""


class HoursInUse(SystemLogError):
    """An open transaction has stored records in the hours to be sealed. Seal again when the transaction has ended."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def close_hours(storage: Storage, since: datetime, until: datetime, log: str, *, tries: int) -> None:
    """Close the hours from `since` to before `until`, as soon as no open transaction has stored records in them.

    `log` is the name of the log in notes. Raises `HoursInUse` after `tries` tries.
    """
    count = min(SLOTS, max(1, (until - since) // HOUR))
    slots = slots_of(until - number * HOUR for number in range(1, count + 1))
    for attempt in range(1, tries + 1):
        try:
            with transaction.atomic(using=storage.connection.alias):
                if storage.connection.vendor == "postgresql":
                    with storage.connection.cursor() as cursor:
                        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                        cursor.execute(EXCLUSIVE_SQL, [slots])
                move_frontier(storage, until, log)
                return
        except OperationalError as error:
            if sqlstate_of(error) != LOCK_NOT_AVAILABLE:
                raise
            if attempt == tries:
                raise HoursInUse from None
        time.sleep(PAUSE_S)


def read_frontier(storage: Storage) -> datetime | None:
    """Return the frontier, or None if no hour was ever closed."""
    return DigestFrontier.objects.using(storage.connection.alias).values_list("until", flat=True).first()


def move_frontier(storage: Storage, until: datetime, log: str) -> None:
    """Set the frontier, in the caller's transaction if there is one."""
    with transaction.atomic(using=storage.connection.alias), storage.connection.cursor() as cursor:
        if storage.connection.vendor == "sqlite":
            cursor.execute(WRITE_LOCK_SQLITE)
        cursor.execute(MOVE_SQL, [storage.connection.ops.adapt_datetimefield_value(until), log])
