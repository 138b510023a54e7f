"""The log table on SQLite: one plain table, and the functions that its queries call."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.dateparse import parse_datetime

from systemlog.storage.contexts import ContextDecoder
from systemlog.storage.interface import BudgetSpent, Storage
from systemlog.storage.rows import COLUMNS, TABLE, Row, context_as_json
from systemlog.storage.spans import Span

PRUNE_BATCH = 2000
PRUNE_PAUSE_S = 0.01
"""Between two batches other writers get the lock."""

PROGRESS_INSTRUCTIONS = 1000
"""The deadline is looked at each time SQLite's virtual machine has done so many instructions."""

INSERT_SQL = (
    f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
    " ON CONFLICT (timestamp, id) DO NOTHING"
)
PRUNE_SQL = f"""
    DELETE FROM {TABLE} WHERE rowid IN (
        SELECT rowid FROM {TABLE} WHERE {{condition}} ORDER BY timestamp LIMIT {PRUNE_BATCH}
    )
"""


class SQLiteStorage(Storage):
    """The plain table."""

    def make_room(self, instants: Iterable[datetime]) -> None:
        """There always is."""

    def insert(self, rows: Sequence[Row]) -> int:
        """One statement, executed for all rows in one transaction."""
        adapt = self.connection.ops.adapt_datetimefield_value
        values = [(adapt(row.timestamp), row.id.hex, *row[2:8], context_as_json(row.context), *row[9:]) for row in rows]
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.executemany(INSERT_SQL, values)
            return int(cursor.rowcount)

    def spans(self) -> list[Span]:
        """One span, from the oldest record to the newest."""
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT (SELECT min(timestamp) FROM {TABLE}), (SELECT max(timestamp) FROM {TABLE})")
            oldest, newest = (parse_datetime(text) if text else None for text in cursor.fetchone())
        if oldest is None or newest is None:
            return []
        zone = self.connection.timezone
        return [Span(oldest.replace(tzinfo=zone), newest.replace(tzinfo=zone) + timedelta(microseconds=1))]

    def leaf_spans(self) -> list[Span]:
        """None: it is one table."""
        return []

    def compact_rollup(self) -> int:
        """There is nothing to do: a writer changes the row of its hour."""
        return 0

    @contextmanager
    def budget(self) -> Iterator[Callable[[float], None]]:
        """SQLite's progress handler interrupts the statement at the deadline."""
        deadline = float("inf")

        def allow(seconds: float) -> None:
            nonlocal deadline
            deadline = time.monotonic() + seconds

        self.connection.ensure_connection()
        raw: sqlite3.Connection = self.connection.connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_INSTRUCTIONS)
        try:
            yield allow
        except OperationalError as error:
            if "interrupted" in str(error):
                raise BudgetSpent from error
            raise
        finally:
            raw.set_progress_handler(None, 0)

    def prune(
        self,
        before: datetime,
        *,
        levels: Sequence[str] = (),
        categories: Sequence[str] = (),
        progress: Callable[[int], None] = lambda rows: None,
    ) -> int:
        """Delete batch by batch, oldest first."""
        condition = "timestamp < %s"
        values: list[Any] = [self.connection.ops.adapt_datetimefield_value(before)]
        for column, chosen in (("level", levels), ("category", categories)):
            if chosen:
                condition += f" AND {column} IN ({', '.join(['%s'] * len(chosen))})"
                values.extend(chosen)
        deleted = 0
        while True:
            with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
                cursor.execute(PRUNE_SQL.format(condition=condition), values)
                gone = int(cursor.rowcount)
            deleted += gone
            progress(deleted)
            if gone < PRUNE_BATCH:
                return deleted
            time.sleep(PRUNE_PAUSE_S)


def register_functions(sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Give a new SQLite connection the functions of `systemlog.storage.lookups`; a `connection_created` receiver."""
    if connection.vendor == "sqlite":
        create = connection.connection.create_function
        create("systemlog_json_contains", 2, _json_contains, deterministic=True)
        create("systemlog_has_term", 2, _has_term, deterministic=True)


def _has_term(text: str | None, term: str) -> bool:
    return text is not None and term in text.lower()


def _json_contains(document: str | None, wanted: str) -> bool:
    return document is not None and _contains(json.loads(document, cls=ContextDecoder), json.loads(wanted))


def _contains(value: Any, wanted: Any) -> bool:
    """PostgreSQL's `@>`: an object holds each wanted member, an array each wanted element, a scalar is equal."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and _contains(value[name], member) for name, member in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_contains(one, each) for one in value) for each in wanted)
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted
