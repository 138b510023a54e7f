"""The triggers of PostgreSQL: four a table, for each statement, that note whole rows in the outbox.

A function names the key's columns and no other, so that ALTER TABLE does not break it. It runs with its owner's rights:
who changes a table needs none on the outbox. Old and new rows meet in a FULL JOIN, because that is never a nested loop,
whatever number of rows a cached plan was made for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit.actor import OUTBOX, SETTING
from systemlog.audit.tables import AuditedTable

PREFIX = "systemlog_audit_"
ROWS_OF_AN_ENTRY = 200
"""So many rows of a statement stand in one entry: no value comes near PostgreSQL's limit of 1 GB."""

MASKED = {"$masked": True}
"""In the outbox, in place of a masked value."""

LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('systemlog.audit', 0))"

# Entries come and go: vacuum by their number, whatever the table's size. Whole rows are not worth compressing.
OUTBOX_SQL = f"""
    CREATE TABLE IF NOT EXISTS {OUTBOX} (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        tbl text NOT NULL,
        op text NOT NULL,
        old json,
        new json,
        ctx text
    ) WITH (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000
    );
    ALTER TABLE {OUTBOX} ALTER old SET STORAGE EXTERNAL, ALTER new SET STORAGE EXTERNAL
"""

FUNCTION_SQL = """
    CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $systemlog$
    DECLARE
        instant timestamptz := clock_timestamp();
        who text := nullif(current_setting('{setting}', true), '');
    BEGIN
        {body}
        RETURN NULL;
    END $systemlog$
"""
NOTE_SQL = "INSERT INTO {outbox} (at, tbl, op, old, new, ctx)"
INSERTED_SQL = """{note}
        SELECT instant, TG_TABLE_NAME, 'i', NULL, json_agg({new}), who
        FROM (SELECT n, (row_number() OVER () - 1) / {size} AS part FROM systemlog_new AS n) AS changed
        GROUP BY part ORDER BY part;"""
DELETED_SQL = """{note}
        SELECT instant, TG_TABLE_NAME, 'd', json_agg({old}), NULL, who
        FROM (SELECT o, (row_number() OVER () - 1) / {size} AS part FROM systemlog_old AS o) AS changed
        GROUP BY part ORDER BY part;"""
UPDATED_SQL = """{note}
        SELECT instant, TG_TABLE_NAME, 'u', json_agg({old}), json_agg({new}), who
        FROM (
            SELECT o, n, (row_number() OVER () - 1) / {size} AS part
            FROM {joined} WHERE (o *= n) IS NOT TRUE
        ) AS changed
        GROUP BY part ORDER BY part;"""
TRUNCATED_SQL = "{note} VALUES (instant, TG_TABLE_NAME, 't', NULL, NULL, who);"
NUMBERED = "(SELECT {row}, row_number() OVER () AS place FROM systemlog_{table} AS {row}) AS {row}{row}"

EVENTS = {
    "i": ("INSERT", "NEW TABLE AS systemlog_new", INSERTED_SQL),
    "u": ("UPDATE", "OLD TABLE AS systemlog_old NEW TABLE AS systemlog_new", UPDATED_SQL),
    "d": ("DELETE", "OLD TABLE AS systemlog_old", DELETED_SQL),
    "t": ("TRUNCATE", "", TRUNCATED_SQL),
}

KINDS_SQL = """
    SELECT class.relname, class.relkind, class.relispartition OR EXISTS (
        SELECT 1 FROM pg_index WHERE indrelid = class.oid AND indisunique AND indpred IS NULL
    ) FROM pg_class class WHERE class.oid = ANY(%s::regclass[])
"""
TRIGGERS_SQL = f"""
    SELECT class.relname, tgname, tgenabled IN ('O', 'A') FROM pg_trigger
    JOIN pg_class class ON class.oid = tgrelid
    WHERE NOT tgisinternal AND starts_with(tgname, '{PREFIX}') AND pg_table_is_visible(class.oid)
"""
FUNCTIONS_SQL = f"""
    SELECT proname FROM pg_proc WHERE starts_with(proname, '{PREFIX}') AND prorettype = 'trigger'::regtype
    AND pg_function_is_visible(oid) AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgfoid = pg_proc.oid)
"""


def outbox_exists(connection: BaseDatabaseWrapper) -> bool:
    """Whether the database has an outbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [OUTBOX])
        return bool(cursor.fetchone()[0])


def outbox_is_writable(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox, and is no standby."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL AND NOT pg_is_in_recovery()", [OUTBOX])
        return bool(cursor.fetchone()[0])


def create_outbox(connection: BaseDatabaseWrapper) -> None:
    """Make the outbox, if it is not there."""
    if not outbox_exists(connection):
        with connection.cursor() as cursor:
            cursor.execute(OUTBOX_SQL)


def kinds(connection: BaseDatabaseWrapper, tables: Iterable[AuditedTable]) -> dict[str, tuple[str, bool]]:
    """Of the tables that are there: what kind of relation each is (`pg_class.relkind`), and whether it has a key.

    The kind of a table that Citus distributes is `c`.
    """
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(quote_ident(name)) IS NOT NULL",
            [[table.name for table in tables]],
        )
        names = [connection.ops.quote_name(name) for (name,) in cursor.fetchall()]
        cursor.execute(KINDS_SQL, [names])
        found = {name: (kind, has_key) for name, kind, has_key in cursor.fetchall()}
        cursor.execute("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
        if cursor.fetchone()[0]:
            cursor.execute("SELECT relname FROM pg_dist_partition JOIN pg_class ON pg_class.oid = logicalrelid")
            found |= {name: ("c", True) for (name,) in cursor.fetchall() if name in found}
    return found


def expected(connection: BaseDatabaseWrapper, tables: Iterable[AuditedTable]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The triggers that should be there: by table and name, the statements that make each."""
    tables = list(tables)
    present = kinds(connection, tables)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
            "WHERE pg_class.oid = to_regclass(%s)",
            [OUTBOX],
        )
        found = cursor.fetchone()
    schema = f"{found[0]}." if found else ""
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    for table in tables:
        kind, has_key = present.get(table.name, ("", False))
        if kind in ("r", "p"):
            for op, (event, referencing, body) in EVENTS.items():
                function, made = _function(connection, table, body, schema, has_key)
                text = hashlib.sha256(f"{function}{event}{referencing}".encode()).hexdigest()[:12]
                name = f"{PREFIX}{op}_{text}"
                quoted = connection.ops.quote_name(table.name)
                trigger = (
                    f"CREATE TRIGGER {name} AFTER {event} ON {quoted} "
                    + (f"REFERENCING {referencing} " if referencing else "")
                    + f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
                )
                wanted[table.name, name] = (made, trigger)
    return wanted


def existing(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], bool]:
    """The triggers that are there: by table and name, whether each is enabled."""
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS_SQL)
        return {(table, name): enabled for table, name, enabled in cursor.fetchall()}


def drop_sql(connection: BaseDatabaseWrapper, table: str, name: str) -> str:
    """The statement that drops a trigger."""
    return f"DROP TRIGGER IF EXISTS {name} ON {connection.ops.quote_name(table)}"


def tidy(connection: BaseDatabaseWrapper) -> None:
    """Drop the functions that no trigger calls any longer."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS_SQL)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP FUNCTION IF EXISTS {name}()")


def _function(
    connection: BaseDatabaseWrapper, table: AuditedTable, body: str, schema: str, has_key: bool
) -> tuple[str, str]:
    """The name of a trigger's function, and the statement that makes it."""
    quote = connection.ops.quote_name
    if has_key:
        same = " AND ".join(f"o.{quote(column)} = n.{quote(column)}" for column in table.key)
        joined = f"systemlog_old AS o FULL JOIN systemlog_new AS n ON {same}"
    else:  # PostgreSQL fills both in one order
        numbered = NUMBERED.format(row="o", table="old"), NUMBERED.format(row="n", table="new")
        joined = f"{numbered[0]} FULL JOIN {numbered[1]} ON oo.place = nn.place"
    told = body.format(
        note=NOTE_SQL.format(outbox=f"{schema}{OUTBOX}"),
        size=ROWS_OF_AN_ENTRY,
        joined=joined,
        old=_shown(table, "o", "n" if body is UPDATED_SQL else None),
        new=_shown(table, "n", "o" if body is UPDATED_SQL else None),
    )
    name = PREFIX + hashlib.sha256(f"{FUNCTION_SQL}{told}".encode()).hexdigest()[:16]
    return f"{schema}{name}", FUNCTION_SQL.format(name=f"{schema}{name}", setting=SETTING, body=told)


def _shown(table: AuditedTable, row: str, other: str | None) -> str:
    """A row as the outbox holds it: without excluded columns, and with what is masked replaced.

    By jsonb's keys and not by columns: a column that was renamed since is missing, where its name would be an error. A
    masked value that is null, or that the statement left as it was, is left out.
    """
    if not table.exclude and not table.mask:
        return row
    hidden = ", ".join(map(_literal, sorted(table.exclude | table.mask)))
    shown = f"(to_jsonb({row}) - ARRAY[{hidden}])"
    for column in sorted(table.mask):
        name = _literal(column)
        told = f"to_jsonb({row}) -> {name}"
        changed = f" AND {told} IS DISTINCT FROM to_jsonb({other}) -> {name}" if other else ""
        mask = f"jsonb_build_object({name}, '{{\"$masked\": true}}'::jsonb)"
        shown += f" || CASE WHEN jsonb_typeof({told}) <> 'null'{changed} THEN {mask} ELSE '{{}}' END"
    # Of a row that is not there nothing is to be told: of NULL, CASE would make an empty object.
    return f"CASE WHEN {row} IS NOT DISTINCT FROM NULL THEN NULL ELSE {shown} END"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
