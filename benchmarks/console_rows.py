"""Stores millions of records of the last day for `benchmarks.console`: made-up records, multiplied by the database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from systemlog.conf import conf
from systemlog.storage import get_storage
from systemlog.storage.postgresql.notes import SETTING
from tests.support.shop_records import shop_records

MADE_UP = 50_000
PARTS = 50
"""The statements into which the multiplication is divided, each for a part of the day."""

COLUMNS = "level, category, source, message, correlation_id, user_id, context"
SAMPLE = """
    CREATE TEMPORARY TABLE sample (n integer PRIMARY KEY, at {time}, level text, category text, source text,
        message text, correlation_id text, user_id text, context {json})
"""
COPIES = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < %s) SELECT n FROM c) copies"
# Each copy is up to 30 seconds away from its original, and belongs to a request of its own.
POSTGRESQL = f"""
    INSERT INTO system_logs (timestamp, id, {COLUMNS})
    SELECT at, (left(hex, 8) || '-' || right(hex, 4) || '-7' || substr(gen_random_uuid()::text, 16))::uuid, {COLUMNS}
    FROM (
        SELECT at, lpad(to_hex(trunc(extract(epoch FROM at) * 1000)::bigint), 12, '0') AS hex, level, category, source,
            message, left(correlation_id, 24) || lpad(to_hex(copy), 12, '0') AS correlation_id, user_id, context
        FROM (
            SELECT sample.at - random() * interval '30 seconds' AS at, copies.n AS copy, {COLUMNS}
            FROM sample CROSS JOIN {COPIES} WHERE sample.n >= %s AND sample.n < %s
        ) copied ORDER BY at
    ) numbered
"""
SQLITE = f"""
    INSERT INTO system_logs (timestamp, id, {COLUMNS})
    SELECT replace(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', at), '.000000', ''),
        printf('%%012x', CAST(round((at - 2440587.5) * 86400000) AS integer)) || '70008'
            || substr(lower(hex(randomblob(8))), 2), {COLUMNS}
    FROM (
        SELECT julianday(sample.at) - abs(random() %% 30000) / 86400000.0 AS at, level, category, source, message,
            substr(correlation_id, 1, 24) || printf('%%012x', copies.n) AS correlation_id, user_id, context
        FROM sample CROSS JOIN {COPIES} WHERE sample.n >= %s AND sample.n < %s
    ) copied ORDER BY at
"""


def fill(rows: int) -> None:
    """Store at least this many records of the last day, and bring the database's statistics up to date."""
    storage, connection = get_storage(), connections[conf().DATABASE]
    on_postgresql = connection.vendor == "postgresql"
    now = datetime.now(UTC)
    storage.ensure_partitions([now - timedelta(days=1, minutes=1), now])
    made_up = min(MADE_UP, rows)
    with connection.cursor() as cursor:
        make_sample(cursor, made_up, now, on_postgresql=on_postgresql)
        size = -(-made_up // PARTS)
        for start in range(0, made_up, size):
            with transaction.atomic(using=connection.alias):
                if on_postgresql:
                    cursor.execute("SELECT set_config(%s, 'off', true)", [SETTING])
                cursor.execute(POSTGRESQL if on_postgresql else SQLITE, [-(-rows // made_up), start, start + size])
        while storage.compact_rollup():
            pass
        cursor.execute("VACUUM ANALYZE system_logs" if on_postgresql else "ANALYZE")


def make_sample(cursor: CursorWrapper, made_up: int, now: datetime, *, on_postgresql: bool) -> None:
    """Store made-up records, numbered by time, in the temporary table `sample`."""
    kinds = ("timestamptz", "jsonb") if on_postgresql else ("text", "text")
    cursor.execute(SAMPLE.format(time=kinds[0], json=kinds[1]))
    records = sorted(shop_records(made_up, now), key=lambda record: record["timestamp"])
    cursor.executemany(
        f"INSERT INTO sample (n, at, {COLUMNS}) VALUES ({', '.join(['%s'] * 9)})",
        [
            (
                number,
                record["timestamp"].isoformat(sep=" ")[: None if on_postgresql else -len("+00:00")],
                *(record[name] for name in COLUMNS.split(", ")[:-1]),
                json.dumps(record["context"]),
            )
            for number, record in enumerate(records)
        ],
    )
