"""The triggers of SQLite. Each table has three, which run once for each row.

They are plain SQL, so that other programs can also write to the tables. They name every column, and ALTER TABLE fails
on a trigger that names a missing column, so `migrating` drops the triggers before a table changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit.actor import OUTBOX
from systemlog.audit.tables import TriggerTable

PREFIX = "systemlog_audit_"
COLUMNS_OF_AN_OBJECT = 60
"""SQLite takes at most 127 arguments of `json_object`. A wider row is a list of objects."""

MASKED = """json('{"$masked": true}')"""

# AUTOINCREMENT never uses a number twice. The numbers give the order of changes within a millisecond.
OUTBOX_SQL = f"""
    CREATE TABLE IF NOT EXISTS {OUTBOX} (
        seq integer PRIMARY KEY AUTOINCREMENT,
        at text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
        tbl text NOT NULL,
        op text NOT NULL,
        old text,
        new text,
        ctx text
    )
"""
# The columns of a virtual table are not read, because its module may not be loaded.
KINDS_SQL = """
    SELECT name, kind, kind = 'r' AND EXISTS (SELECT 1 FROM pragma_table_info(found.name) WHERE pk > 0) FROM (
        SELECT name, CASE WHEN type = 'view' THEN 'v' WHEN sql LIKE 'CREATE VIRTUAL%%' THEN 'f' ELSE 'r' END AS kind
        FROM sqlite_master WHERE type IN ('table', 'view') AND name IN (SELECT value FROM json_each(%s))
    ) AS found
"""
TRIGGER_SQL = """CREATE TRIGGER {name} AFTER {event} ON {table}{condition} BEGIN
INSERT INTO {outbox} (tbl, op, old, new) VALUES ({label}, '{op}', {old}, {new}); END"""


def outbox_exists(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = %s", [OUTBOX])
        return bool(cursor.fetchone()[0])


def outbox_is_writable(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox. Deleting from a file that is read-only fails later."""
    return outbox_exists(connection)


def create_outbox(connection: BaseDatabaseWrapper) -> None:
    """Create the outbox if it does not exist."""
    with connection.cursor() as cursor:
        cursor.execute(OUTBOX_SQL)


def kinds(connection: BaseDatabaseWrapper, tables: Iterable[TriggerTable]) -> dict[str, tuple[str, bool]]:
    """Return, for the tables that exist, the kind of relation and whether it has a primary key.

    The kinds are `r` for a table, `v` for a view and `f` for a virtual table.
    """
    with connection.cursor() as cursor:
        cursor.execute(KINDS_SQL, [json.dumps([table.name for table in tables])])
        return {name: (kind, bool(has_key)) for name, kind, has_key in cursor.fetchall()}


def columns(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the columns that a table has."""
    with connection.cursor() as cursor:
        # A column with `hidden` = 1 belongs to a virtual table; 2 and 3 are generated columns.
        cursor.execute("SELECT name FROM pragma_table_xinfo(%s) WHERE hidden <> 1", [table])
        return [name for (name,) in cursor.fetchall()]


def key_columns(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the columns of a table's primary key."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pragma_table_xinfo(%s) WHERE pk > 0 ORDER BY pk", [table])
        return [name for (name,) in cursor.fetchall()]


def expected(connection: BaseDatabaseWrapper, tables: Iterable[TriggerTable]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the triggers that should exist: by table and name, the statements that create each."""
    tables = list(tables)
    present = kinds(connection, tables)
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    for table in tables:
        if present.get(table.name, ("", True))[0] == "r":
            for name, text in _triggers(connection, table):
                wanted[table.name, name] = (text,)
    return wanted


def existing(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], bool]:
    """Return the triggers that exist, by table and name, each with True: SQLite cannot disable one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s",
            [len(PREFIX), PREFIX],
        )
        return dict.fromkeys(cursor.fetchall(), True)


def installed(connection: BaseDatabaseWrapper) -> dict[str, TriggerTable]:
    """Return the tables that have triggers, by name, with what the triggers exclude and mask."""
    inserting = f"{PREFIX}i_"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s",
            [len(inserting), inserting],
        )
        texts = dict(cursor.fetchall())
    return {table: _options(table, columns(connection, table), text) for table, text in texts.items()}


def drop_sql(connection: BaseDatabaseWrapper, table: str, name: str) -> str:
    """Return the statement that drops a trigger."""
    return f"DROP TRIGGER IF EXISTS {connection.ops.quote_name(name)}"


def drop_unused(connection: BaseDatabaseWrapper) -> None:
    """Do nothing: triggers of SQLite have no functions."""


def _options(table: str, names: Iterable[str], text: str) -> TriggerTable:
    """Read from the text of the trigger for INSERT what the triggers exclude and mask."""
    return TriggerTable(
        name=table,
        exclude=frozenset(name for name in names if f"{_literal(name)}, CASE " not in text),
        mask=frozenset(name for name in names if f"{_literal(name)}, CASE WHEN NEW.{_quoted(name)} IS NULL" in text),
    )


def _triggers(connection: BaseDatabaseWrapper, table: TriggerTable) -> Iterator[tuple[str, str]]:
    names = [name for name in columns(connection, table.name) if name not in table.exclude]
    kept = table.kept.union(set(key_columns(connection, table.name)) - table.mask)
    differs = " OR ".join(f"OLD.{_quoted(name)} IS NOT NEW.{_quoted(name)}" for name in names)
    for op, event, condition, old, new in (
        ("i", "INSERT", "", "", "NEW"),
        ("u", "UPDATE", f" WHEN {differs}", "OLD", "NEW"),
        ("d", "DELETE", "", "OLD", ""),
    ):
        text = TRIGGER_SQL.format(
            name="{name}",
            event=event,
            table=_quoted(table.name),
            condition=condition,
            outbox=OUTBOX,
            label=_literal(table.name),
            op=op,
            old=_shown(table, names, kept, old, new) if old else "NULL",
            new=_shown(table, names, kept, new, old) if new else "NULL",
        )
        name = f"{PREFIX}{op}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        yield name, text.replace("{name}", name, 1)


def _shown(table: TriggerTable, names: list[str], kept: frozenset[str], row: str, other: str) -> str:
    """Return the SQL of a row as the outbox holds it."""
    pairs = [f"{_literal(name)}, {_value(table, name, row, '' if name in kept else other)}" for name in names]
    parts = [
        f"json_object({', '.join(pairs[start : start + COLUMNS_OF_AN_OBJECT])})"
        for start in range(0, len(pairs), COLUMNS_OF_AN_OBJECT)
    ]
    return parts[0] if len(parts) == 1 else f"json_array({', '.join(parts)})"


def _value(table: TriggerTable, column: str, row: str, other: str) -> str:
    """Return the SQL of a value. A value that an update did not change is null, except in the key."""
    value = f"{row}.{_quoted(column)}"
    if column in table.mask:
        unchanged = f" OR {value} IS {other}.{_quoted(column)}" if other else ""
        return f"CASE WHEN {value} IS NULL{unchanged} THEN NULL ELSE {MASKED} END"
    # JSON has no bytes, and SQLite's loses the last digits of a number.
    unchanged = f"CASE WHEN {value} IS {other}.{_quoted(column)} THEN NULL ELSE " if other else ""
    return (
        f"{unchanged}CASE typeof({value}) WHEN 'blob' THEN '\\x' || hex({value}) "
        f"WHEN 'real' THEN printf('%!.17g', {value}) ELSE {value} END{' END' if unchanged else ''}"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
