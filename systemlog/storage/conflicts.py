"""Records whose id and timestamp are stored already: which of them say something else than what is stored.

Only what a database did not store is looked at here: where no key was there before, nothing is asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from systemlog.records.copy_text import LEVEL_OFFSET, texts
from systemlog.records.repetition import repeats
from systemlog.records.row import COLUMNS, TABLE
from systemlog.storage.checkpoints import Slice

KEY_BYTES = LEVEL_OFFSET - 1
"""A line begins with its timestamp and id, always as long."""

KEYS_AT_ONCE = 400
"""SQLite takes 999 values in a statement."""

StoredRecords = dict[bytes, Sequence[str | None]]
"""Stored records by the beginnings of their lines: the columns as texts."""


class Conflict(NamedTuple):
    """A line that was not stored: another record has its key. `number` counts the slice's lines from 0."""

    slice: Slice
    number: int


OnConflict = Callable[[Sequence[Conflict]], None]
"""Called in the transaction that lands the other lines; what it raises rolls that back."""


def conflicts_among(slices: Iterable[Slice], known: StoredRecords) -> list[Conflict]:
    """The lines that say something else than the known records of their keys."""
    return [
        Conflict(slice_, number)
        for slice_ in slices
        for number, line in enumerate(slice_.lines)
        if (stored := known.get(line[:KEY_BYTES])) is not None and not repeats(stored, texts(line))
    ]


def by_key(rows: Iterable[Sequence[Any]]) -> StoredRecords:
    """Rows of the table's columns, the context as text, by the beginnings of their lines."""
    return {key_of(row[0], row[1] if isinstance(row[1], uuid.UUID) else uuid.UUID(row[1])): row for row in rows}


def key_of(timestamp: datetime, record_id: uuid.UUID) -> bytes:
    """The beginning of a record's line. The timestamp is UTC."""
    return f"{timestamp:%Y-%m-%d %H:%M:%S.%f}+00\t{record_id.hex}".encode()


def find(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, keys: Iterable[tuple[Any, Any]]
) -> Iterable[Sequence[Any]]:
    """The stored rows that have one of these keys (timestamp, id), which are as the database has them."""
    columns = ", ".join(COLUMNS)
    if connection.vendor == "postgresql":
        columns = columns.replace("context", "context::text").replace("timestamp", "timestamp AT TIME ZONE 'UTC'")
    keys = list(keys)
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        marks = ", ".join(["(%s, %s)"] * len(some))
        values = marks if connection.vendor == "postgresql" else f"VALUES {marks}"
        cursor.execute(
            f"SELECT {columns} FROM {TABLE} WHERE (timestamp, id) IN ({values})",
            [value for key in some for value in key],
        )
        yield from cursor.fetchall()
