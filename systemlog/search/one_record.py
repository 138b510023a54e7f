"""Finding the record that has a given id."""

from __future__ import annotations

import uuid

from django.db import OperationalError, connections

from systemlog import compat
from systemlog.models import SystemLog
from systemlog.records.ids import instant_of
from systemlog.storage import get_storage
from systemlog.storage.calendar import BEGINNING, END
from systemlog.storage.lookups import By, Lookup
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, sqlstate_of


def find_record(record_id: uuid.UUID) -> SystemLog | None:
    """Return the newest record of this id, or None if there is none.

    A function of the database looks in all partitions. Where there is no such function, or a lock of another session
    makes it fail, the search begins at the instant inside a UUIDv7; older partitions are read only for an id that
    another clock made.
    """
    records = SystemLog.objects.filter(id=record_id).order_by("-timestamp")
    found = get_storage(records.db).look_up(records, Lookup(By.ID, str(record_id)), most=1)
    if found is not None:
        try:
            return found.first()
        except OperationalError as error:
            # A database that does not answer is not asked again: the request would take twice as long.
            if sqlstate_of(error) != LOCK_NOT_AVAILABLE or compat.in_transaction(connections[records.db]):
                raise
    # Plain SQL can store timestamps that Python cannot represent.
    records = records.filter(timestamp__gte=BEGINNING, timestamp__lte=END)
    instant = instant_of(record_id)
    if instant is not None and (record := records.filter(timestamp__gte=instant).first()):
        return record
    return records.first()
