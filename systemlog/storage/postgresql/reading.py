"""The part of the PostgreSQL storage that reads: lookups by an index, and a time limit for statements."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from systemlog.compat import in_transaction, select_from_function
from systemlog.storage.base import BudgetSpent
from systemlog.storage.calendar import BEGINNING, END
from systemlog.storage.lookups import Lookup
from systemlog.storage.postgresql import lookup_functions
from systemlog.storage.postgresql.errors import LOCK_NOT_AVAILABLE, QUERY_CANCELED, sqlstate_of
from systemlog.storage.postgresql.partitioned import PartitionedStorage

# JIT and parallel workers are off: for a page of a partitioned table they cost more time than they save.
LIMITS = ("statement_timeout", "jit", "max_parallel_workers_per_gather")

LIMITS_SQL = "SELECT " + ", ".join(f"current_setting('{name}')" for name in LIMITS)

LIMIT_SQL = "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in LIMITS)


class ReadingStorage(PartitionedStorage):
    """A storage that looks up records by an index, and limits how long statements take."""

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """Query a function that keeps its plan, in place of the table."""
        return select_from_function(records, lookup_functions.RECORDS, _arguments(lookup, most))

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """Count by a function that keeps its plan."""
        with self.connection.cursor() as cursor:
            cursor.execute(lookup_functions.NUMBER_SQL, _arguments(lookup, most))
            return int(cursor.fetchone()[0])

    @contextmanager
    def budget(self) -> Iterator[Callable[[float], None]]:
        """Set `statement_timeout` for this transaction. Inside a transaction of the caller, its values are restored."""
        inside = in_transaction(self.connection)
        try:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                if inside:
                    cursor.execute(LIMITS_SQL)
                    before = cursor.fetchone()
                yield lambda seconds: cursor.execute(LIMIT_SQL, [f"{max(1, round(seconds * 1000))}ms", "off", "0"])
                if inside:
                    cursor.execute(LIMIT_SQL, before)
        except Exception as error:
            # Caught outside the transaction, because COMMIT and closing a cursor can exceed the limit too. The error of
            # a cursor that is being closed is the driver's own, not Django's.
            if sqlstate_of(error) in (QUERY_CANCELED, LOCK_NOT_AVAILABLE):
                raise BudgetSpent from error
            raise


def _arguments(lookup: Lookup, most: int) -> list[Any]:
    """Return the arguments of the functions that keep their plan."""
    by, value, since, until, before = lookup
    # Plain SQL can store timestamps that Python cannot represent; END leaves them out.
    if until is None:
        return [by.value, value, since or BEGINNING, END, uuid.UUID(int=(1 << 128) - 1), most]
    return [by.value, value, since or BEGINNING, until, before or uuid.UUID(int=0), most]
