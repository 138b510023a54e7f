"""Counting the records of error groups as they are stored and deleted, in the transaction that does it.

Each count is a row that is appended to a table; `systemlog.groups` adds the rows up. On PostgreSQL the storage appends
the counts of what it stores, because a trigger would have to look at all the records to find the few errors. SQLite
does not report which rows a statement stored, so there a trigger appends them. Deleted records are counted by a
trigger, and those of a dropped partition by the storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from systemlog.fingerprints.lines import identity_of
from systemlog.fingerprints.records import GRAVE, Identity, identify
from systemlog.records.context_json import ContextDecoder
from systemlog.records.copy_text import CONTEXT, LEVEL, NULL, TIMESTAMP, unescape
from systemlog.records.fields import MAX_TEXT_CHARACTERS
from systemlog.records.row import COLUMN_LIST, COLUMNS, TABLE, JSONText, Row

GROUPS = "system_log_group"
DELTAS = "system_log_group_delta"
USERS = "system_log_group_user"
EVENTS = "system_log_group_event"
GROUP = "group_id"
"""The column of `system_logs` that has the id of a record's group; null below ERROR."""

STORED_COLUMNS = f"{COLUMN_LIST}, {GROUP}"
UNGROUPED = b"\t\\N\n"
"""What ends the line of a record without a group, for COPY."""

MAX_USERS = 1000
"""The users of a group are counted up to this number."""

ROWS_AT_ONCE = 500
RELEASE = b'"release":'
SOURCE, USER_ID = COLUMNS.index("source"), COLUMNS.index("user_id")
DELTA_COLUMNS = "group_id, source, level, release, count, first_seen, last_seen, users, kind, title, category"

UNCOUNTED_SQL = f"""
    INSERT INTO {DELTAS} (group_id, source, level, count)
    SELECT {GROUP}, source, level, -count(*) FROM {{table}} WHERE {GROUP} IS NOT NULL GROUP BY 1, 2, 3
"""
UNCOUNT_POSTGRESQL = f"""
    CREATE OR REPLACE FUNCTION {DELTAS}_uncount() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        {UNCOUNTED_SQL.format(table="changed")};
        RETURN NULL;
    END $$
"""
TRIGGER = f"{TABLE}_ungrouped"
TRIGGER_POSTGRESQL = f"""
    CREATE TRIGGER {TRIGGER} AFTER DELETE ON {TABLE} REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION {DELTAS}_uncount()
"""
DROP_TRIGGER_POSTGRESQL = f"DROP TRIGGER IF EXISTS {TRIGGER} ON {TABLE}"

# A constraint of the table makes sure that the context is JSON.
_RELEASE_SQLITE = """CASE WHEN json_type(NEW."context", '$.release') IN ('text', 'integer', 'real')
        THEN substr(json_extract(NEW."context", '$.release'), 1, 200) END"""
COUNT_SQLITE = f"""
    CREATE TRIGGER {TABLE}_grouped AFTER INSERT ON {TABLE} WHEN NEW."{GROUP}" IS NOT NULL BEGIN
        INSERT INTO {DELTAS} (group_id, source, level, release, count, first_seen, last_seen, users) VALUES (
            NEW."{GROUP}", NEW."source", NEW."level", {_RELEASE_SQLITE}, 1, NEW."timestamp", NEW."timestamp",
            CASE WHEN NEW."user_id" IS NOT NULL THEN json_array(NEW."user_id") END
        );
    END
"""
UNCOUNT_SQLITE = f"""
    CREATE TRIGGER {TRIGGER} AFTER DELETE ON {TABLE} WHEN OLD."{GROUP}" IS NOT NULL BEGIN
        INSERT INTO {DELTAS} (group_id, source, level, count) VALUES (OLD."{GROUP}", OLD."source", OLD."level", -1);
    END
"""


class _Delta:
    """The records of one group, source, level and release among those that a transaction stores."""

    __slots__ = ("category", "count", "first", "identity", "last", "users")

    def __init__(self, identity: Identity, category: str, first: Any) -> None:
        self.identity, self.category = identity, category
        self.count = 0
        self.first = self.last = first
        self.users: set[str] = set()


class GroupCounts:
    """The counts of the records that one transaction stores."""

    def __init__(self) -> None:
        self._deltas: dict[tuple[str, Any, Any, Any], _Delta] = {}

    def __bool__(self) -> bool:
        return bool(self._deltas)

    def add_line(self, line: bytes) -> bytes:
        """Count a line of level ERROR or CRITICAL, and return its group for COPY, with the line's end."""
        fields = line.split(b"\t")
        identity = identity_of(fields)
        context = fields[CONTEXT]
        release = _release_of(ContextDecoder().decode(unescape(context).decode())) if RELEASE in context else None
        key = identity.id, fields[SOURCE], fields[LEVEL], release
        delta = self._deltas.get(key)
        if delta is None:
            category = unescape(fields[COLUMNS.index("category")]).decode()
            delta = self._deltas[key] = _Delta(identity, category, fields[TIMESTAMP])
        self._count(delta, fields[TIMESTAMP], None if fields[USER_ID] == NULL else unescape(fields[USER_ID]).decode())
        return b"\t" + identity.id.encode() + b"\n"

    def add(self, row: Row, identity: Identity) -> None:
        """Count a record of level ERROR or CRITICAL."""
        timestamp = row.timestamp.astimezone(UTC)
        key = identity.id, row.source, row.level, _release_of(_context_of(row))
        delta = self._deltas.get(key)
        if delta is None:
            delta = self._deltas[key] = _Delta(identity, row.category, timestamp)
        self._count(delta, timestamp, row.user_id)

    def write(self, cursor: CursorWrapper) -> None:
        """Append the counts to their table, in the caller's transaction, on PostgreSQL."""
        rows = [_values_of(key, delta) for key, delta in self._deltas.items()]
        marks = f"({', '.join(['%s'] * len(DELTA_COLUMNS.split(', ')))})"
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            cursor.execute(
                f"INSERT INTO {DELTAS} ({DELTA_COLUMNS}) VALUES {', '.join([marks] * len(some))}",
                [value for row in some for value in row],
            )

    @staticmethod
    def _count(delta: _Delta, timestamp: Any, user: str | None) -> None:
        delta.count += 1
        if timestamp < delta.first:
            delta.first = timestamp
        elif timestamp > delta.last:
            delta.last = timestamp
        if user is not None and len(delta.users) < MAX_USERS:
            delta.users.add(user)


def identity_of_row(row: Row) -> Identity | None:
    """Return the group of a record; None below ERROR."""
    return identify(row.category, row.message, _context_of(row)) if row.level in GRAVE else None


def uncount(cursor: CursorWrapper, removed: Iterable[tuple[str, str, str, int]]) -> None:
    """Append the counts of removed records: the group, source, level and number of each."""
    cursor.executemany(
        f"INSERT INTO {DELTAS} (group_id, source, level, count) VALUES (%s, %s, %s, %s)",
        [(group, source, level, -count) for group, source, level, count in removed],
    )


def _context_of(row: Row) -> dict[str, Any]:
    context = ContextDecoder().decode(row.context) if isinstance(row.context, JSONText) else row.context
    return context if isinstance(context, dict) else {}


def _release_of(context: Any) -> str | None:
    release = context.get("release") if isinstance(context, dict) else None
    if isinstance(release, bool) or not isinstance(release, str | int | float):
        return None
    return str(release)[:MAX_TEXT_CHARACTERS]


def _values_of(key: tuple[str, Any, Any, Any], delta: _Delta) -> list[Any]:
    group, source, level, release = key
    identity = delta.identity
    users = json.dumps(sorted(delta.users)) if delta.users else None
    seen = [_text(delta.first), _text(delta.last)]
    texts = [unescape(text).decode() if isinstance(text, bytes) else text for text in (source, level)]
    return [group, *texts, release, delta.count, *seen, users, identity.kind, identity.title, delta.category]


def _text(instant: datetime | bytes) -> datetime | str:
    return instant.decode() if isinstance(instant, bytes) else instant
