"""Notes about landed records on PostgreSQL, from which a tail learns what became visible since a snapshot.

The statement trigger that counts for the roll-up also writes a note: the statement's transaction, and the keys of its
records. A tail's mark holds a snapshot. The notes that are visible now, and were not in that snapshot, are new.
So the order in which transactions commit does not matter, and a transaction that stays open for hours is found when it
commits. A serial number would miss it.

Each minute the lander writes a marker with the snapshot of that moment. Notes that were visible in a snapshot older
than `MARK_LIFETIME_S` are deleted. A mark names the newest marker of its time. If the database does not have that
marker, it was restored from an earlier state, in which transaction numbers are used again.
"""

from __future__ import annotations

from systemlog.records.row import TABLE
from systemlog.storage.landed import MARK_LIFETIME_S
from systemlog.storage.rollup import ROLLUP

NOTES, MARKERS = "system_log_landing", "system_log_landing_marker"
SETTING = "systemlog.landing_notes"
"""The PostgreSQL setting that switches notes off where it is `off`."""

KEPT_S = MARK_LIFETIME_S + 60
MARKED_EVERY_S = 60
FORGOTTEN_AT_ONCE = 10_000
KEYS_OF_NOTE = 5000
"""A statement that stores more records writes several notes, because the keys of a note are in memory together."""

CREATE_TABLES_SQL = [
    f"""
    CREATE TABLE {NOTES} (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        times timestamptz[] NOT NULL,
        ids uuid[] NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.5)
    """,
    f"CREATE INDEX {NOTES}_xid ON {NOTES} (xid)",
    f"""
    CREATE TABLE {MARKERS} (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        snapshot pg_snapshot NOT NULL DEFAULT pg_current_snapshot()
    )
    """,
    f"INSERT INTO {MARKERS} DEFAULT VALUES",
]
DROP_TABLES_SQL = [f"DROP TABLE {MARKERS}", f"DROP TABLE {NOTES}"]

# OR REPLACE keeps the triggers. The function keeps the search path of its creation, as before.
COUNT_AND_NOTE_SQL = f"""
    CREATE OR REPLACE FUNCTION {ROLLUP}_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        INSERT INTO {ROLLUP} (hour, source, category, level, count)
        SELECT date_trunc('hour', timestamp, 'UTC'), source, category, level,
            CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
        FROM changed GROUP BY 1, 2, 3, 4;
        IF TG_OP = 'INSERT' AND current_setting('{SETTING}', true) IS DISTINCT FROM 'off' THEN
            INSERT INTO {NOTES} (times, ids)
            SELECT array_agg(timestamp), array_agg(id)
            FROM (SELECT timestamp, id, (row_number() OVER () - 1) / {KEYS_OF_NOTE} AS part FROM changed) numbered
            GROUP BY part ORDER BY part;
        END IF;
        RETURN NULL;
    END $$
"""

RECORDS_AT = f"{TABLE}_at"
# OFFSET 0 makes PostgreSQL look each key up by itself, in its own partition.
CREATE_LOOKUP_SQL = f"""
    CREATE FUNCTION {RECORDS_AT}(times timestamptz[], ids uuid[]) RETURNS SETOF {TABLE} LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
    BEGIN
        RETURN QUERY SELECT stored.* FROM unnest(times, ids) AS key(at, id) CROSS JOIN LATERAL (
            SELECT * FROM {TABLE} WHERE {TABLE}.timestamp = key.at AND {TABLE}.id = key.id OFFSET 0
        ) stored;
    END $$
"""
DROP_LOOKUP_SQL = f"DROP FUNCTION {RECORDS_AT}(timestamptz[], uuid[])"

_STATE = f"""
    SELECT pg_current_snapshot() AS snapshot, extract(epoch FROM clock_timestamp())::float8 AS at,
        concat_ws('/', (SELECT system_identifier FROM pg_control_system()), '{NOTES}'::regclass::oid,
            (SELECT oid FROM pg_database WHERE datname = current_database())) AS database,
        (SELECT id::text FROM {MARKERS} ORDER BY at DESC LIMIT 1) AS marker
"""
STATE_SQL = f"SELECT snapshot::text, at, database, marker FROM ({_STATE}) state"
"""The present mark."""

LANDED_SQL = f"""
    SELECT snapshot::text, state.at, database, state.marker,
        EXISTS (SELECT FROM {MARKERS} WHERE id::text = %(marker)s),
        pg_snapshot_xmax(%(old)s) <= pg_snapshot_xmax(snapshot), key.n, key.place, key.timestamp, key.id
    FROM ({_STATE}) state LEFT JOIN LATERAL (
        SELECT note.n, keys.place, keys.timestamp, keys.id FROM (
            SELECT n, times, ids FROM {NOTES}
            WHERE xid >= pg_snapshot_xmin(%(old)s) AND NOT pg_visible_in_snapshot(xid, %(old)s)
                AND (%(new)s::pg_snapshot IS NULL OR pg_visible_in_snapshot(xid, %(new)s)) AND n >= %(n)s
            ORDER BY n
        ) note CROSS JOIN LATERAL unnest(note.times, note.ids) WITH ORDINALITY AS keys(timestamp, id, place)
        -- Plain SQL can store timestamps that Python cannot represent.
        WHERE (note.n, keys.place) > (%(n)s, %(place)s)
            AND keys.timestamp >= '0001-01-01 00:00+00' AND keys.timestamp < '9999-12-31 00:00+00'
        ORDER BY note.n, keys.place LIMIT %(most)s
    ) key ON true ORDER BY key.n, key.place
"""
"""The present mark, whether the old one is of this database's history, and the keys behind it, if there are any."""

MARK_SQL = f"""
    INSERT INTO {MARKERS} (snapshot) SELECT pg_current_snapshot()
    WHERE NOT EXISTS (SELECT FROM {MARKERS} WHERE at > clock_timestamp() - interval '{MARKED_EVERY_S / 2} seconds')
"""
OLDEST_NEEDED_SQL = f"""
    SELECT at, snapshot::text FROM {MARKERS} WHERE at < clock_timestamp() - interval '{KEPT_S} seconds'
    ORDER BY at DESC LIMIT 1
"""
FORGET_SQL = f"""
    DELETE FROM {NOTES} WHERE n IN (
        SELECT n FROM {NOTES}
        WHERE xid < pg_snapshot_xmax(%(snapshot)s) AND pg_visible_in_snapshot(xid, %(snapshot)s)
        LIMIT {FORGOTTEN_AT_ONCE}
    )
"""
FORGET_MARKERS_SQL = f"DELETE FROM {MARKERS} WHERE at < %s"
