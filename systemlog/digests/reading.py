"""Reading records in the order of their keys, page by page, as the texts from which the canonical form is made.

Each page is a statement of its own, so that reading a large hour holds no snapshot and no lock for long.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.digests.canonical import COLUMNS
from systemlog.digests.statements import read_hour
from systemlog.records.ndjson import CONTEXT
from systemlog.records.row import TABLE
from systemlog.storage import Storage
from systemlog.storage.conditions import Condition

PAGE_ROWS = 2000

Texts = Sequence[Any]
"""A record: the texts of its columns in canonical order. With a condition, one more item says whether it holds."""

_PLAIN = ", ".join(COLUMNS[2:-1])
_POSTGRESQL = f"""
    SELECT to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), encode(uuid_send(id), 'hex'),
        {_PLAIN}, context::text{{flag}}
    FROM {{table}} WHERE timestamp >= %s AND timestamp < %s AND (timestamp, id) > (%s, %s)
    ORDER BY {{table}}.timestamp, id LIMIT {PAGE_ROWS}
"""
_SQLITE = f"""
    SELECT timestamp || '', id, {_PLAIN}, context || ''{{flag}} FROM {{table}}
    WHERE timestamp >= %s AND timestamp < %s AND (timestamp, id) > (%s, %s) ORDER BY timestamp, id LIMIT {PAGE_ROWS}
"""
_NIL = uuid.UUID(int=0)


def pages(
    storage: Storage, since: datetime, until: datetime, *, table: str = TABLE, condition: Condition | None = None
) -> Iterator[list[Texts]]:
    """Yield the records from `since` to before `until`, in pages."""
    connection = storage.connection
    on_postgresql = connection.vendor == "postgresql"
    adapt = connection.ops.adapt_datetimefield_value
    flag = f", {condition.sql}" if condition else ""
    query = (_POSTGRESQL if on_postgresql else _SQLITE).format(table=table, flag=flag)
    values = condition.values if condition else []
    end = adapt(until)
    at: Any = adapt(since)
    # On PostgreSQL no value is below the nil UUID, and a record may have that id, so the first page includes it.
    after: Any = _NIL if on_postgresql else ""
    if on_postgresql:
        query = query.replace("(timestamp, id) >", "(timestamp, id) >=", 1)
    while True:
        rows = _fetch(connection, query, [*values, at, end, at, after])
        if not rows:
            return
        last = rows[-1]
        if on_postgresql:
            yield rows
            at, after = last[0], uuid.UUID(last[1])
            query = query.replace("(timestamp, id) >=", "(timestamp, id) >", 1)
        else:
            if readable := _represent(rows):
                yield readable
            at, after = last[0], last[1]
        if len(rows) < PAGE_ROWS:
            return


def archived(blocks: Iterable[bytes]) -> Iterator[Texts]:
    """Yield the records in the lines of an archive. Raises `ValueError` for a line that is not from an archive."""
    for block in blocks:
        for line in block.splitlines():
            head, found, context = line.partition(CONTEXT)
            record = orjson.loads(head + b"}") if found else {}
            try:
                record["id"] = record["id"].replace("-", "")
                yield [*(record[name] for name in COLUMNS[:-1]), context[:-1].decode()]
            except (KeyError, AttributeError):
                raise ValueError("This is no line of an archive of system_logs.") from None


def hour_text(texts: Texts) -> str:
    """Return the hour of a record in the form that digests use, such as 2026-01-02T03."""
    return str(texts[0][:13])


def is_hour(text: str) -> bool:
    """Whether a time of SQLite with this beginning is in an hour."""
    try:
        return text[10:11] in (" ", "T") and read_hour(f"{text[:10]}T{text[11:]}") is not None
    except ValueError:
        return False


def _represent(rows: list[Texts]) -> list[Texts]:
    """Return the rows of SQLite with their times as in the canonical form, without those that are in no hour."""
    found: list[Texts] = []
    last, readable = "", False
    for row in rows:
        text = row[0]
        if text[:13] != last:
            last = text[:13]
            readable = is_hour(last)
        if readable:
            whole = text if len(text) > 19 else f"{text}.000000"
            found.append((f"{whole[:10]}T{whole[11:]}Z", *row[1:]))
    return found


def _fetch(connection: BaseDatabaseWrapper, query: str, values: list[Any]) -> list[Texts]:
    try:
        return _execute(connection, query, values)
    except OperationalError as error:
        if "decode" not in str(error):
            raise
    # A text that is no UTF-8, which plain SQL can store in SQLite. Reading every text so would be slow.
    raw = connection.connection
    before = raw.text_factory
    raw.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        return _execute(connection, query, values)
    finally:
        raw.text_factory = before


def _execute(connection: BaseDatabaseWrapper, query: str, values: list[Any]) -> list[Texts]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[Texts] = cursor.fetchall()
        return rows
