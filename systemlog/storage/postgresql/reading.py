"""Reading records on PostgreSQL: lookups by an index, and a time limit for statements."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from systemlog.storage.base import BudgetSpent
from systemlog.storage.calendar import BEGINNING, END
from systemlog.storage.lookups import Lookup
from systemlog.storage.postgresql import lookup_functions
from systemlog.storage.postgresql.errors import (
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    sqlstate_of,
)
from systemlog.storage.postgresql.partitioned import PartitionedStorage

# A search gets no second core, and no compiler: for a page of a partitioned table both take longer than they spare.
LIMITS = ("statement_timeout", "jit", "max_parallel_workers_per_gather")

LIMITS_SQL = "SELECT " + ", ".join(f"current_setting('{name}')" for name in LIMITS)

LIMIT_SQL = "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in LIMITS)


class ReadingStorage(PartitionedStorage):
    """A storage that looks records up by an index, and limits how long statements take."""

    def look_up(self, records: QuerySet[Any, Any], lookup: Lookup, most: int) -> QuerySet[Any, Any] | None:
        """By a function that keeps its plan."""
        found = records.all()
        alias = found.query.get_initial_alias()
        found.query.alias_map[alias] = lookup_functions.RecordsOf(alias, _arguments(lookup, most))
        return found

    def count_up_to(self, lookup: Lookup, most: int) -> int | None:
        """By another."""
        with self.connection.cursor() as cursor:
            cursor.execute(lookup_functions.NUMBER_SQL, _arguments(lookup, most))
            return int(cursor.fetchone()[0])

    @contextmanager
    def budget(self) -> Iterator[Callable[[float], None]]:
        """`statement_timeout`, for this transaction alone; the caller's values come back."""
        inside = self.connection.in_atomic_block
        try:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                if inside:
                    cursor.execute(LIMITS_SQL)
                    before = cursor.fetchone()
                yield lambda seconds: cursor.execute(LIMIT_SQL, [f"{max(1, round(seconds * 1000))}ms", "off", "0"])
                if inside:
                    cursor.execute(LIMIT_SQL, before)
        except Exception as error:
            # Out here, since a COMMIT too can take longer than the last statement was allowed to. So can closing a
            # cursor, whose error is the driver's own.
            if sqlstate_of(error) in (QUERY_CANCELED, LOCK_NOT_AVAILABLE):
                raise BudgetSpent from error
            raise


def _arguments(lookup: Lookup, most: int) -> list[Any]:
    """Of the functions that keep their plan."""
    by, value, since, until, before = lookup
    # Plain SQL can store what lies beyond all dates of Python: that has no place in a page.
    if until is None:
        return [by.value, value, since or BEGINNING, END, uuid.UUID(int=(1 << 128) - 1), most]
    return [by.value, value, since or BEGINNING, until, before or uuid.UUID(int=0), most]
