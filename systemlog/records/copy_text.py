"""A record as one line of PostgreSQL's COPY text format. The journal holds such lines, and COPY takes them as they are.

The columns are those of `Row`, in order, with a tab between them. NULL is `\\N`. Backslash, tab, newline and carriage
return are escaped, so that a line contains no line break. Timestamps are UTC with six digits of microseconds.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from systemlog.records.context_json import ContextDecoder
from systemlog.records.levels import LEVEL_NAMES
from systemlog.records.row import COLUMNS, Row, context_as_json

NULL = b"\\N"
TIMESTAMP, ID, LEVEL, CATEGORY, CONTEXT = map(COLUMNS.index, ("timestamp", "id", "level", "category", "context"))
LEVEL_OFFSET = 63
"""Where the level begins in a line: in every line, the timestamp and the id before it have the same length."""

ID_OFFSET = 30
"""Where the id begins in a line."""

_level_of_initial = {ord(name[0]): index for index, name in enumerate(LEVEL_NAMES)}

_escaped = re.compile(rb"\\(.)", re.DOTALL)
_letters = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def escape(data: bytes) -> bytes:
    """Escape the bytes of a text for a line."""
    if b"\\" in data:
        data = data.replace(b"\\", b"\\\\")
    if b"\n" in data:
        data = data.replace(b"\n", b"\\n")
    if b"\r" in data:
        data = data.replace(b"\r", b"\\r")
    return data.replace(b"\t", b"\\t") if b"\t" in data else data


def escape_text(text: Any) -> bytes:
    """Return a text, or None, as it stands in a line. The text has no NUL and no lone surrogate."""
    return NULL if text is None else escape(text.encode())


def encode(row: Row) -> bytes:
    """Return the line of a row, without a line break at its end."""
    timestamp = row.timestamp.astimezone(UTC)
    return b"\t".join(
        (
            f"{timestamp:%Y-%m-%d %H:%M:%S.%f}+00".encode(),
            row.id.hex.encode(),
            row.level.encode(),
            *map(escape_text, row[CATEGORY:CONTEXT]),
            escape(context_as_json(row.context).encode()),
            *map(escape_text, row[CONTEXT + 1 :]),
        )
    )


def decode(line: bytes) -> Row:
    """Return the row of a line. Raises `ValueError` for bytes that are no line of a record."""
    fields: list[Any] = texts(line)
    fields[TIMESTAMP] = datetime.fromisoformat(fields[TIMESTAMP] or "")
    fields[ID] = uuid.UUID(fields[ID])
    fields[CONTEXT] = json.loads(fields[CONTEXT] or "", cls=ContextDecoder)
    return Row(*fields)


def level_of(line: bytes) -> int | None:
    """Return the level of a line as its place in `LEVEL_NAMES`; None if this is no line of a record."""
    return _level_of_initial.get(line[LEVEL_OFFSET]) if len(line) > LEVEL_OFFSET else None


def texts(line: bytes) -> list[str | None]:
    """Return the columns of a line as strings, None for NULL. Raises `ValueError` for bytes that are no line of a
    record."""
    fields = line.split(b"\t")
    if len(fields) != len(COLUMNS):
        raise ValueError(f"A line of the journal has {len(fields)} columns in place of {len(COLUMNS)}.")
    return [None if field == NULL else unescape(field).decode() for field in fields]


def counted_by(line: bytes) -> tuple[datetime, str, str, str]:
    """Return the hour, source, category and level of a line, by which the roll-up counts it."""
    timestamp, _, level, category, source, _ = line.split(b"\t", 5)
    hour = datetime.fromisoformat(f"{timestamp[:13].decode()}:00:00+00:00")
    return hour, unescape(source).decode(), unescape(category).decode(), level.decode()


def instants(lines: Iterable[bytes]) -> set[datetime]:
    """Return one instant in each hour that has a record among the lines, to find the partitions that must exist."""
    hours = {line[:13] for line in lines}
    return {datetime.fromisoformat(f"{hour.decode()}:00:00+00:00") for hour in hours}


def keys_of(lines: Iterable[bytes], fits: Callable[[datetime], bool]) -> list[tuple[datetime, uuid.UUID]]:
    """Return timestamp and id of the lines whose time fits. Calls `fits` once for each hour."""
    hours = {line[:13] for line in lines}
    fitting = {hour for hour in hours if fits(datetime.fromisoformat(f"{hour.decode()}:00:00+00:00"))}
    return [
        (datetime.fromisoformat(line[: ID_OFFSET - 1].decode()), uuid.UUID(line[ID_OFFSET : ID_OFFSET + 32].decode()))
        for line in lines
        if line[:13] in fitting
    ]


def unescape(field: bytes) -> bytes:
    """Return the bytes of a text that `escape` made a column of."""
    if b"\\" not in field:
        return field
    return _escaped.sub(lambda match: _letters.get(match[1], match[1]), field)
