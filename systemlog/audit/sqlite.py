"""The triggers of SQLite: three a table, for each row, in plain SQL, so that other programs may write as well.

They name every column, which SQLite's ALTER TABLE does not forgive: `migrating` takes them away meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit.actor import OUTBOX
from systemlog.audit.tables import AuditedTable

PREFIX = "systemlog_audit_"
COLUMNS_OF_AN_OBJECT = 60
"""SQLite takes at most 127 arguments of `json_object`: a wider row is a list of objects."""

MASKED = """json('{"$masked": true}')"""

# AUTOINCREMENT: no number comes twice, or the order of changes within a millisecond would be lost.
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
TRIGGER_SQL = """CREATE TRIGGER {name} AFTER {event} ON {table}{condition} BEGIN
INSERT INTO {outbox} (tbl, op, old, new) VALUES ({label}, '{op}', {old}, {new}); END"""


def outbox_exists(connection: BaseDatabaseWrapper) -> bool:
    """Whether the database has an outbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = %s", [OUTBOX])
        return bool(cursor.fetchone()[0])


def outbox_is_writable(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox. A file that is read-only fails when an entry is deleted."""
    return outbox_exists(connection)


def create_outbox(connection: BaseDatabaseWrapper) -> None:
    """Make the outbox, if it is not there."""
    with connection.cursor() as cursor:
        cursor.execute(OUTBOX_SQL)


def kinds(connection: BaseDatabaseWrapper, tables: Iterable[AuditedTable]) -> dict[str, tuple[str, bool]]:
    """Of the tables that are there: `r` for a table, `v` for a view, `f` for a virtual table; and True."""
    names = {table.name for table in tables}
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, type, sql LIKE 'CREATE VIRTUAL%%' FROM sqlite_master", [])
        return {
            name: ("v" if kind == "view" else "f" if virtual else "r", True)
            for name, kind, virtual in cursor.fetchall()
            if name in names and kind in ("table", "view")
        }


def expected(connection: BaseDatabaseWrapper, tables: Iterable[AuditedTable]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The triggers that should be there: by table and name, the statements that make each."""
    tables = list(tables)
    present = kinds(connection, tables)
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    for table in tables:
        if present.get(table.name, ("", True))[0] == "r":
            for name, text in _triggers(table, _columns(connection, table.name)):
                wanted[table.name, name] = (text,)
    return wanted


def existing(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], bool]:
    """The triggers that are there: by table and name; SQLite cannot disable one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s",
            [len(PREFIX), PREFIX],
        )
        return dict.fromkeys(cursor.fetchall(), True)


class FormerTable(NamedTuple):
    """A table that has triggers, and that the setting does not name any longer: perhaps by its old name."""

    name: str
    exclude: frozenset[str]
    mask: frozenset[str]
    columns: frozenset[str]
    """Those that it had."""
    told: tuple[str, ...]
    """Those of its key, which an update tells though it leaves them."""


def former_table(connection: BaseDatabaseWrapper, name: str) -> FormerTable:
    """What a table's triggers say of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s AND substr(name, 1, %s) = %s",
            [name, len(PREFIX), PREFIX],
        )
        text = " ".join(sql for (sql,) in cursor.fetchall())
    columns = _columns(connection, name)
    exclude = {column for column in columns if f"{_literal(column)}, CASE " not in text}
    mask = {column for column in columns if f"{_literal(column)}, CASE WHEN NEW.{_quoted(column)} IS NULL" in text}
    return FormerTable(name, frozenset(exclude), frozenset(mask), frozenset(columns), tuple(_key(connection, name)))


def restoring(connection: BaseDatabaseWrapper, table: FormerTable) -> Iterator[str]:
    """The statements that make the table's triggers anew, from the columns that it has now.

    A new column may be a masked one by a new name: beside a masked or excluded one it is masked as well.
    """
    columns = _columns(connection, table.name)
    if table.mask or table.exclude:
        table = table._replace(mask=table.mask | (set(columns) - table.columns))
    if columns:
        table = table._replace(told=tuple(_key(connection, table.name)))
        for _, text in _triggers(table, columns):
            yield text


def drop_sql(connection: BaseDatabaseWrapper, table: str, name: str) -> str:
    """The statement that drops a trigger."""
    return f"DROP TRIGGER IF EXISTS {connection.ops.quote_name(name)}"


def tidy(connection: BaseDatabaseWrapper) -> None:
    """There is nothing to do: a trigger has no function."""


def _columns(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    with connection.cursor() as cursor:
        # Of a hidden column of kind 1 a virtual table knows; 2 and 3 are generated ones.
        cursor.execute("SELECT name FROM pragma_table_xinfo(%s) WHERE hidden <> 1", [table])
        return [name for (name,) in cursor.fetchall()]


def _key(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pragma_table_xinfo(%s) WHERE pk > 0 ORDER BY pk", [table])
        return [name for (name,) in cursor.fetchall()]


def _triggers(table: AuditedTable | FormerTable, columns: list[str]) -> Iterator[tuple[str, str]]:
    columns = [column for column in columns if column not in table.exclude]
    differs = " OR ".join(f"OLD.{_quoted(column)} IS NOT NEW.{_quoted(column)}" for column in columns)
    for op, event, condition, old, new in (
        ("i", "INSERT", "", "", "NEW"),
        ("u", "UPDATE", f" WHEN {differs}", "OLD", "NEW"),
        ("d", "DELETE", "", "OLD", ""),
    ):
        text = TRIGGER_SQL.format(
            name="{name}",
            event=event,
            table=_quoted(table.name),
            condition=condition.replace("{", "{{").replace("}", "}}"),
            outbox=OUTBOX,
            label=_literal(table.name),
            op=op,
            old=_shown(table, columns, old, new) if old else "NULL",
            new=_shown(table, columns, new, old) if new else "NULL",
        )
        name = f"{PREFIX}{op}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        yield name, text.replace("{name}", name, 1)


def _shown(table: AuditedTable | FormerTable, columns: list[str], row: str, other: str) -> str:
    pairs = [f"{_literal(column)}, {_value(table, column, row, other)}" for column in columns]
    parts = [
        f"json_object({', '.join(pairs[start : start + COLUMNS_OF_AN_OBJECT])})"
        for start in range(0, len(pairs), COLUMNS_OF_AN_OBJECT)
    ]
    return parts[0] if len(parts) == 1 else f"json_array({', '.join(parts)})"


def _value(table: AuditedTable | FormerTable, column: str, row: str, other: str) -> str:
    value = f"{row}.{_quoted(column)}"
    if column in table.mask:
        changed = f" OR {value} IS {other}.{_quoted(column)}" if other else ""
        return f"CASE WHEN {value} IS NULL{changed} THEN NULL ELSE {MASKED} END"
    # JSON has no bytes, and SQLite's loses the last digits of a number. What an update left as it was is left out.
    same = (
        f"CASE WHEN {value} IS {other}.{_quoted(column)} THEN NULL ELSE " if other and column not in table.told else ""
    )
    return (
        f"{same}CASE typeof({value}) WHEN 'blob' THEN '\\x' || hex({value}) "
        f"WHEN 'real' THEN printf('%!.17g', {value}) ELSE {value} END{' END' if same else ''}"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
