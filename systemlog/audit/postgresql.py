"""The triggers of PostgreSQL. Each table has four, which run once a statement and write whole rows to the outbox.

The trigger functions name only the columns that they hide, as keys of JSON, so ALTER TABLE does not break them. They
run with the rights of their owner, so a role that changes a table needs no right on the outbox.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.audit.actor import OUTBOX, SETTING
from systemlog.audit.tables import TriggerTable

PREFIX = "systemlog_audit_"
ROWS_OF_AN_ENTRY = 200
"""The number of rows in one entry, so that no value comes near PostgreSQL's limit of 1 GB."""

LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended('systemlog.audit', 0))"

# Rows are inserted and deleted all the time, so autovacuum starts at a fixed number of rows. JSON is not compressed,
# because a row stays for about a second.
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

# Every name begins with `systemlog_`, since a column of the user's table may have any other.
FUNCTION_SQL = """
    CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $systemlog$
    -- {options}
    DECLARE
        systemlog_at timestamptz := clock_timestamp();
        systemlog_who text := nullif(current_setting('{setting}', true), '');
        systemlog_rows int;
    BEGIN
        {body}
        RETURN NULL;
    END $systemlog$
"""
# A statement of one row is the most frequent one, and grouping it costs a third of the trigger's time.
BODY_SQL = """
        SELECT count(*) INTO systemlog_rows FROM (SELECT FROM systemlog_{counted} LIMIT 2) AS systemlog_first;
        IF systemlog_rows = 1 THEN
            INSERT INTO {outbox} (at, tbl, op, old, new, ctx)
            SELECT systemlog_at, TG_TABLE_NAME, '{op}', {one_old}, {one_new}, systemlog_who
            FROM {one};
        ELSIF systemlog_rows > 1 THEN
            INSERT INTO {outbox} (at, tbl, op, old, new, ctx)
            SELECT systemlog_at, TG_TABLE_NAME, '{op}', {many_old}, {many_new}, systemlog_who
            FROM (SELECT *, (row_number() OVER () - 1) / {size} AS systemlog_part FROM {many}) AS systemlog_parts
            GROUP BY systemlog_part ORDER BY systemlog_part;
        END IF;"""
TRUNCATED_SQL = """
        INSERT INTO {outbox} (at, tbl, op, ctx) VALUES (systemlog_at, TG_TABLE_NAME, 't', systemlog_who);"""

# PostgreSQL lists the old and the new rows of an update in the same order, so they are joined by position. A join by
# key would fail, because a key may change, have any type, or be missing.
OLD = "SELECT systemlog_o, row_number() OVER () AS systemlog_place FROM systemlog_old AS systemlog_o"
NEW = "SELECT systemlog_n, row_number() OVER () AS systemlog_place FROM systemlog_new AS systemlog_n"
DIFFERS = "(systemlog_o *= systemlog_n) IS NOT TRUE"
ONE_ROW = {
    "i": "systemlog_new AS systemlog_n",
    "u": f"systemlog_old AS systemlog_o, systemlog_new AS systemlog_n WHERE {DIFFERS}",
    "d": "systemlog_old AS systemlog_o",
}
MANY_ROWS = {
    "i": "(SELECT systemlog_n FROM systemlog_new AS systemlog_n) AS systemlog_each",
    "u": f"({OLD}) AS systemlog_oo FULL JOIN ({NEW}) AS systemlog_nn USING (systemlog_place) WHERE {DIFFERS}",
    "d": "(SELECT systemlog_o FROM systemlog_old AS systemlog_o) AS systemlog_each",
}
EVENTS = {
    "i": ("INSERT", "NEW TABLE AS systemlog_new"),
    "u": ("UPDATE", "OLD TABLE AS systemlog_old NEW TABLE AS systemlog_new"),
    "d": ("DELETE", "OLD TABLE AS systemlog_old"),
    "t": ("TRUNCATE", ""),
}

KINDS_SQL = """
    SELECT class.relname,
        CASE WHEN class.relkind IN ('r', 'p') AND EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = class.oid)
            THEN 'i' ELSE class.relkind END,
        EXISTS (SELECT 1 FROM pg_index WHERE indrelid = class.oid AND indisprimary)
    FROM pg_class class WHERE class.oid = ANY(%s::regclass[])
"""
TRIGGERS_SQL = f"""
    SELECT class.relname, tgname, tgenabled IN ('O', 'A') FROM pg_trigger
    JOIN pg_class class ON class.oid = tgrelid
    WHERE NOT tgisinternal AND starts_with(tgname, '{PREFIX}') AND pg_table_is_visible(class.oid)
"""
OPTIONS_SQL = f"""
    SELECT class.relname, substring(prosrc FROM '-- (\\{{[^\\n]*\\}})\\n') FROM pg_trigger
    JOIN pg_class class ON class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE NOT tgisinternal AND starts_with(tgname, '{PREFIX}i_') AND pg_table_is_visible(class.oid)
"""
COLUMNS_SQL = """
    SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""
KEY_SQL = """
    SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
    WHERE indrelid = to_regclass(%s) AND indisprimary
"""
FUNCTIONS_SQL = f"""
    SELECT proname FROM pg_proc WHERE starts_with(proname, '{PREFIX}') AND prorettype = 'trigger'::regtype
    AND pg_function_is_visible(oid) AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgfoid = pg_proc.oid)
"""


def outbox_exists(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [OUTBOX])
        return bool(cursor.fetchone()[0])


def outbox_is_writable(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database has an outbox, and is no standby."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL AND NOT pg_is_in_recovery()", [OUTBOX])
        return bool(cursor.fetchone()[0])


def create_outbox(connection: BaseDatabaseWrapper) -> None:
    """Create the outbox if it does not exist."""
    if not outbox_exists(connection):
        with connection.cursor() as cursor:
            cursor.execute(OUTBOX_SQL)


def kinds(connection: BaseDatabaseWrapper, tables: Iterable[TriggerTable]) -> dict[str, tuple[str, bool]]:
    """Return, for the tables that exist, the kind of relation (`pg_class.relkind`) and whether it has a primary key.

    The kind of a table that Citus distributes is `c`, that of a partition or a table that inherits from another is `i`.
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


def columns(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the columns that a table has."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS_SQL, [connection.ops.quote_name(table)])
        return [name for (name,) in cursor.fetchall()]


def key_columns(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the columns of a table's primary key."""
    with connection.cursor() as cursor:
        cursor.execute(KEY_SQL, [connection.ops.quote_name(table)])
        return [name for (name,) in cursor.fetchall()]


def expected(connection: BaseDatabaseWrapper, tables: Iterable[TriggerTable]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the triggers that should exist: by table and name, the statements that create each."""
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
        if present.get(table.name, ("", False))[0] in ("r", "p", "i"):
            for op, (event, referencing) in EVENTS.items():
                function, made = _function(table, op, schema)
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
    """Return the triggers that exist: by table and name, whether each is enabled."""
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS_SQL)
        return {(table, name): enabled for table, name, enabled in cursor.fetchall()}


def installed(connection: BaseDatabaseWrapper) -> dict[str, TriggerTable]:
    """Return the tables that have triggers, by name, with what the triggers exclude and mask."""
    with connection.cursor() as cursor:
        cursor.execute(OPTIONS_SQL)
        found = {table: json.loads(options or "{}") for table, options in cursor.fetchall()}
    return {
        table: TriggerTable(
            name=table, exclude=frozenset(options.get("exclude", ())), mask=frozenset(options.get("mask", ()))
        )
        for table, options in found.items()
    }


def drop_sql(connection: BaseDatabaseWrapper, table: str, name: str) -> str:
    """Return the statement that drops a trigger."""
    return f"DROP TRIGGER IF EXISTS {name} ON {connection.ops.quote_name(table)}"


def drop_unused(connection: BaseDatabaseWrapper) -> None:
    """Drop the functions that no trigger calls."""
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS_SQL)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP FUNCTION IF EXISTS {name}()")


def _function(table: TriggerTable, op: str, schema: str) -> tuple[str, str]:
    """Return the name of a trigger's function, and the statement that creates it."""
    outbox = f"{schema}{OUTBOX}"
    if op == "t":
        body = TRUNCATED_SQL.format(outbox=outbox)
    else:
        old = _shown(table, "systemlog_o", "systemlog_n" if op == "u" else None)
        new = _shown(table, "systemlog_n", "systemlog_o" if op == "u" else None)
        body = BODY_SQL.format(
            outbox=outbox,
            op=op,
            size=ROWS_OF_AN_ENTRY,
            counted="old" if op == "d" else "new",
            one=ONE_ROW[op],
            many=MANY_ROWS[op],
            one_old="NULL::json" if op == "i" else f"json_build_array({old})",
            one_new="NULL::json" if op == "d" else f"json_build_array({new})",
            many_old="NULL::json" if op == "i" else f"json_agg({old})",
            many_new="NULL::json" if op == "d" else f"json_agg({new})",
        )
    options = json.dumps({"exclude": sorted(table.exclude), "mask": sorted(table.mask)})
    name = PREFIX + hashlib.sha256(f"{FUNCTION_SQL}{options}{body}".encode()).hexdigest()[:16]
    return f"{schema}{name}", FUNCTION_SQL.format(
        name=f"{schema}{name}", setting=SETTING, body=body, options=options.replace("$", "\\u0024")
    )


def _shown(table: TriggerTable, row: str, other: str | None) -> str:
    """Return the SQL of a row as the outbox holds it: without excluded columns, and with masked values replaced.

    The SQL names keys of JSON and not columns: a renamed column is then a missing key, not an unknown column. A masked
    value that is null, or that the statement did not change, is left out.
    """
    if not table.hides:
        return row
    hidden = ", ".join(map(_literal, sorted(table.exclude | table.mask)))
    shown = f"(to_jsonb({row}) - ARRAY[{hidden}])"
    for column in sorted(table.mask):
        name = _literal(column)
        value = f"to_jsonb({row}) -> {name}"
        changed = f" AND {value} IS DISTINCT FROM to_jsonb({other}) -> {name}" if other else ""
        mask = f"jsonb_build_object({name}, '{{\"$masked\": true}}'::jsonb)"
        shown += f" || CASE WHEN jsonb_typeof({value}) <> 'null'{changed} THEN {mask} ELSE '{{}}' END"
    # A row that does not exist is null. The expression above would turn it into an empty object.
    return f"CASE WHEN {row} IS NOT DISTINCT FROM NULL THEN NULL ELSE {shown} END"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
