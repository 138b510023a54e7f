"""Conflicts: lines whose key (timestamp and id) is already stored with another content.

The storage looks for conflicts only when the database has skipped a line; usually no query is made.
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
"""Length of a line's timestamp and id, which is the same for every line."""

KEYS_AT_ONCE = 400
"""Keys per query: SQLite accepts 999 values in a statement."""

StoredRecords = dict[bytes, Sequence[str | None]]
"""Stored records, their columns as texts, by the first `KEY_BYTES` bytes of their lines."""


class Conflict(NamedTuple):
    """A line that was not stored because another record has its key. `number` is its index in the slice."""

    slice: Slice
    number: int


OnConflict = Callable[[Sequence[Conflict]], None]
"""Called in the transaction that stores the other lines. An exception that it raises rolls the transaction back."""


def conflicts_among(slices: Iterable[Slice], known: StoredRecords) -> list[Conflict]:
    """Return the lines whose content differs from the stored record with the same key."""
    return [
        Conflict(slice_, number)
        for slice_ in slices
        for number, line in enumerate(slice_.lines)
        if (stored := known.get(line[:KEY_BYTES])) is not None and not repeats(stored, texts(line))
    ]


def by_key(rows: Iterable[Sequence[Any]]) -> StoredRecords:
    """Index rows of the table by the first `KEY_BYTES` bytes of their lines. The context is a text."""
    return {key_of(row[0], row[1] if isinstance(row[1], uuid.UUID) else uuid.UUID(row[1])): row for row in rows}


def key_of(timestamp: datetime, record_id: uuid.UUID) -> bytes:
    """Return the first `KEY_BYTES` bytes of a record's line. The timestamp is UTC."""
    return f"{timestamp:%Y-%m-%d %H:%M:%S.%f}+00\t{record_id.hex}".encode()


def find(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, keys: Iterable[tuple[Any, Any]]
) -> Iterable[Sequence[Any]]:
    """Yield the stored rows that have one of these keys (timestamp, id). The keys are in the database's own format."""
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
