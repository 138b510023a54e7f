"""Reading and emptying the outbox of one database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, NamedTuple
from zlib import crc32

import orjson
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit.actor import OUTBOX
from systemlog.records.ids import assemble_id

MAX_ENTRIES = 2000
MAX_ROWS = 10_000
MAX_BYTES = 2 * 2**20
"""The limits of one batch, which has at least one entry."""

_SOURCE_BITS, _ORDINAL_BITS, _SEQ_BITS = 12, 8, 42

# The sum counts the entries before each one, so that the first entry is always read.
READ_SQL = """
    SELECT seq, at, tbl, op, {old}, {new}, ctx FROM (
        SELECT *, sum(coalesce({size}(old), 0) + coalesce({size}(new), 0))
            OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM (SELECT * FROM {outbox} ORDER BY seq LIMIT {limit}) AS oldest
    ) AS sized WHERE coalesce(before, 0) < {most} ORDER BY seq
"""
FORMS = {
    "postgresql": {"old": "old::text", "new": "new::text", "size": "pg_column_size"},
    "sqlite": {"old": "CAST(old AS blob)", "new": "CAST(new AS blob)", "size": "length"},
}


class Entry(NamedTuple):
    """An entry of the outbox: rows of a table that one statement changed (on SQLite one row), before and after it."""

    seq: int
    at: datetime
    table: str
    op: str
    old: Sequence[dict[str, Any] | None]
    new: Sequence[dict[str, Any] | None]
    ctx: str | None

    def rows(self) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
        """Yield each row before and after the statement. None stands for a row that did not exist then."""
        for number in range(max(len(self.old), len(self.new))):
            yield (
                self.old[number] if number < len(self.old) else None,
                self.new[number] if number < len(self.new) else None,
            )


def read_entries(connection: BaseDatabaseWrapper, limit: int = MAX_ENTRIES) -> list[Entry]:
    """Return the oldest entries: at most `limit`, and within the size of a batch."""
    with connection.cursor() as cursor:
        form = FORMS[connection.vendor]
        cursor.execute(READ_SQL.format(outbox=OUTBOX, limit=limit, most=MAX_BYTES, **form))
        found = cursor.fetchall()
    entries: list[Entry] = []
    rows = 0
    for row in found:
        entries.append(_entry(row, connection.vendor))
        rows += max(len(entries[-1].old), len(entries[-1].new))
        if rows >= MAX_ROWS:
            break
    return entries


def delete_entries(connection: BaseDatabaseWrapper, entries: Sequence[Entry]) -> None:
    """Delete exactly these entries. On PostgreSQL an entry with a lower number may be committed later."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DELETE FROM {OUTBOX} WHERE seq = ANY(%s)", [[entry.seq for entry in entries]])
        else:
            cursor.execute(f"DELETE FROM {OUTBOX} WHERE seq BETWEEN %s AND %s", [entries[0].seq, entries[-1].seq])


def oldest(connection: BaseDatabaseWrapper) -> datetime | None:
    """Return when the oldest change in the outbox was made, or None if the outbox is empty."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT at FROM {OUTBOX} ORDER BY seq LIMIT 1")
        found = cursor.fetchone()
    return None if found is None else _instant(found[0])


def record_id(entry: Entry, ordinal: int, source: int) -> uuid.UUID:
    """Return the id of the record of a row. The same row always gets the same id, so no record can be stored twice.

    Within one instant the ids sort in the order of the changes.
    """
    more, ordinal = divmod(ordinal, 1 << _ORDINAL_BITS)  # an entry of 200 rows may have two records for each
    seq = (entry.seq + (more << (_SEQ_BITS - 1))) % (1 << _SEQ_BITS)  # no outbox counts to the highest bit
    bits = seq << (_ORDINAL_BITS + _SOURCE_BITS)
    return assemble_id(entry.at, bits | ordinal << _SOURCE_BITS | source)


def source_of(connection: BaseDatabaseWrapper) -> int:
    """Return a number that tells outboxes apart in ids. It depends only on the name of the database."""
    return crc32(PurePath(str(connection.settings_dict["NAME"])).name.encode()) % (1 << _SOURCE_BITS)


def _entry(row: Sequence[Any], vendor: str) -> Entry:
    seq, at, table, op, old, new, ctx = row
    if vendor == "postgresql":
        return Entry(seq, at.astimezone(UTC), table, op, _parse(old) or [], _parse(new) or [], ctx)
    return Entry(seq, _instant(at), table, op, _one(old), _one(new), ctx)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromisoformat(f"{value}+00:00")


def _one(data: bytes | None) -> Sequence[dict[str, Any] | None]:
    if data is None:
        return ()
    try:
        found = orjson.loads(data)  # exact: the triggers of SQLite write numbers with a fraction as text
    except orjson.JSONDecodeError:  # SQLite stores any bytes as text
        found = _decode(bytes(data).decode("utf-8", "replace"))
    if isinstance(found, list):  # a row with more columns than one JSON object of SQLite can have
        return [{name: value for part in found for name, value in part.items()}]
    return [found]


def _parse(text: str | None) -> Any:
    return None if text is None else _decode(text)


class Number(str):
    """A number with a fraction or a very large one, as the database wrote it."""

    __slots__ = ()


def _integer(text: str) -> int | Number:
    return int(text) if len(text) < 1000 else Number(text)


_decode = json.JSONDecoder(parse_float=Number, parse_int=_integer).decode
