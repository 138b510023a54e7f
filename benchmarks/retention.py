"""Measures pruning and archiving at N rows: `python -m benchmarks.retention --rows 1000000 [--pg-bin DIR]`.

Loads 30 days of events into `system_logs` and into a plain table with the same indexes. Deletes 10 days from each: from
the log by `prune`, from the plain table by DELETE and VACUUM. Then it deletes 19 of 20 records of 10 more days from
both, archives the rest with gzip and with Zstandard, and restores one day. Meanwhile another process inserts records;
its longest insert is printed. Runs on a PostgreSQL that it starts itself, with the durability of one in production
(`--pg-bin`: directory of the binaries, by default those of the wheel), or on an empty database in DATABASE_URL. At 10
million rows it needs about 15 GB of disk.

With `--whole 100000 1000000` it measures only whole partitions instead: for each size, it loads ten days with that many
rows each, and prints the bytes of the index (category, timestamp) before and after sealing, the time of a dry run, and
the time of pruning the ten days.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import environ
from django.conf import settings

from tests.support.postgresql import DURABLE, running_server

DAYS = 30
PLAIN = "benchmarks_plain"
FILL = """
    INSERT INTO {table} (timestamp, id, level, category, source, message, correlation_id, user_id, context)
    SELECT at, gen_random_uuid(),
        CASE WHEN i %% 1000 = 0 THEN 'CRITICAL' WHEN i %% 35 = 0 THEN 'ERROR' WHEN i %% 14 = 0 THEN 'WARNING'
            ELSE 'INFO' END,
        CASE WHEN i %% 20 = 0 THEN 'audit' ELSE 'shop.' || i %% 20 END, 'web-' || i %% 4,
        'order ' || i || ' of customer ' || i %% 9973 || ' took ' || i %% 877 || ' ms: ' || md5(i::text),
        md5((i / 8)::text), (i %% 5000)::text,
        jsonb_build_object('order', i, 'items', i %% 7, 'path', '/orders/' || i %% 99)
    FROM (SELECT i, %s::timestamptz - (i + %s * random()) * %s::interval AS at FROM generate_series(%s, %s) i) series
"""
LATE = "INSERT INTO system_logs (timestamp, id, category, message) VALUES ({at}, gen_random_uuid(), 'audit', 'late')"
BATCH = 250_000
SIZED = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "256MB"}
"""Settings of a server for tables of this size: the indexes of a day fit into memory."""


def main() -> None:
    """Start the database, if none is given, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    parser.add_argument("--whole", type=int, nargs="+", metavar="ROWS", help="prune ten partitions of each size")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = (
            os.environ.get("DATABASE_URL")
            or stack.enter_context(running_server(options.pg_bin, settings={**DURABLE, **SIZED})).url()
        )
        settings.configure(
            USE_TZ=True,
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "systemlog"],
            DATABASES={"default": environ.Env.db_url_config(url)},
            SYSTEMLOG={"JOURNAL": "direct"},
        )
        import django

        django.setup()
        from django.db import connections

        if options.whole:
            from benchmarks.whole_partitions import measure_whole

            measure_whole(options.whole)
        else:
            measure(options.rows)
        connections.close_all()


def measure(rows: int) -> None:
    """Load the tables, and delete from them."""
    from systemlog.retention.prune import prune
    from systemlog.storage.expiry import Policy

    load(rows)
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    age = lambda days: datetime.now(UTC) - (now - timedelta(days=days))  # noqa: E731  (a formula)
    before = lambda days: f"timestamp < '{now - timedelta(days=days):%Y-%m-%d}+00'"  # noqa: E731  (a formula)

    audit = Policy(categories=("audit",), keep=None)
    with watched("sealing 30 days"):
        prune([Policy(keep=None)])
    compare("10 of 30 days", lambda: prune([Policy(keep=age(20))]), before(20))
    with watched("one more day"):
        prune([Policy(keep=age(19))])
    execute(f"DELETE FROM {PLAIN} WHERE {before(19)}")
    execute(f"VACUUM {PLAIN}")
    compare(
        "19 of 20 records of 5 days",
        lambda: prune([audit, Policy(keep=age(14))]),
        f"{before(14)} AND category <> 'audit'",
    )
    with watched("19 of 20 records of 4 more days, while one of them is written to"):
        prune([audit, Policy(keep=age(10))])
    archive()


def load(rows: int) -> None:
    """Insert the same events into both tables."""
    from django.core.management import call_command

    from systemlog.storage import get_storage

    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    get_storage().ensure_partitions([now - timedelta(days=day) for day in range(DAYS + 1)])
    step = timedelta(days=DAYS) / rows
    execute(f"CREATE TABLE {PLAIN} (LIKE system_logs INCLUDING ALL)")
    for table in ("system_logs", PLAIN):
        for first in range(1, rows + 1, BATCH):
            execute(FILL.format(table=table), now, 0, step, first, min(first + BATCH - 1, rows))
        execute(f"VACUUM (ANALYZE) {table}")
    print(f"{rows:,} rows loaded")


def compare(name: str, ours: Callable[[], object], condition: str) -> None:
    """Measure time and WAL of pruning, and of DELETE and VACUUM."""

    def delete_and_vacuum() -> None:
        execute(f"DELETE FROM {PLAIN} WHERE {condition}")
        execute(f"VACUUM {PLAIN}")

    execute("CHECKPOINT")
    prune_s, prune_wal = cost(ours)
    execute("CHECKPOINT")
    delete_s, delete_wal = cost(delete_and_vacuum)
    print(name)
    print(f"    prune             {prune_s:8.2f} s {prune_wal / 1e6:10.2f} MB of WAL")
    print(f"    DELETE and VACUUM {delete_s:8.2f} s {delete_wal / 1e6:10.2f} MB of WAL")
    print(f"    ratio             {delete_s / prune_s:8.1f}   {100 * prune_wal / delete_wal:10.3f} %")


def archive() -> None:
    """Measure the rows per second of archiving with verification, and of restoring one file."""
    from django.core.management import call_command

    from systemlog.retention.manifest import read_manifest
    from systemlog.retention.prune import ArchiveTo, archive_older

    for compression in ("gzip", "zstd"):
        with tempfile.TemporaryDirectory() as directory:
            to = ArchiveTo(Path(directory), compression)
            took, _ = cost(lambda to=to: archive_older(datetime.now(UTC), to))
            entries = read_manifest(Path(directory))
            rows, size = (sum(getattr(entry, name) for entry in entries) for name in ("rows", "bytes"))
            print(
                f"archive by {compression}: {rows:,} rows, {rows / took:,.0f} a second, {size / rows:.0f} bytes a row"
            )
    with tempfile.TemporaryDirectory() as directory:
        archive_older(datetime.now(UTC), ArchiveTo(Path(directory)))
        entry = max(read_manifest(Path(directory)), key=lambda entry: entry.rows)
        execute("TRUNCATE system_logs")
        file = str(Path(directory) / entry.file)
        took, _ = cost(lambda: call_command("import_system_logs", file, stdout=io.StringIO()))
        print(f"    restored: {entry.rows / took:,.0f} a second")


def cost(action: Callable[[], object]) -> tuple[float, int]:
    """Return the seconds and the bytes of WAL that the call takes."""
    began_at = execute("SELECT pg_current_wal_lsn()")
    began = time.perf_counter()
    action()
    took = time.perf_counter() - began
    return took, int(execute("SELECT pg_current_wal_lsn() - %s::pg_lsn", began_at))


@contextlib.contextmanager
def watched(name: str) -> Iterator[None]:
    """Insert records of now and of 13 days ago in another process. Print the longest insert and the median."""
    from django.db import connection

    stop, told = multiprocessing.Event(), multiprocessing.Queue()
    writer = multiprocessing.Process(target=insert, args=(connection.get_connection_params(), stop, told))
    writer.start()
    told.get()
    began = time.perf_counter()
    try:
        yield
    finally:
        took = time.perf_counter() - began
        stop.set()
        count, median_ms, longest_ms = told.get()
        writer.join()
        print(f"{name}, in {took:.2f} s")
        print(f"    {count} inserts meanwhile, median {median_ms:.1f} ms, longest {longest_ms:.1f} ms")


def insert(parameters: dict[str, Any], stop: Any, told: Any) -> None:
    """Insert one record after another."""
    import psycopg

    known = {key: parameters[key] for key in ("host", "port", "user", "password", "dbname") if parameters.get(key)}
    took: list[float] = []
    with psycopg.connect(**known, autocommit=True) as connection:
        told.put(None)
        while not stop.wait(0.005):
            for at in ("now()", "now() - interval '13 days'"):
                began = time.perf_counter()
                connection.execute(LATE.format(at=at))
                took.append((time.perf_counter() - began) * 1000)
    took.sort()
    told.put((len(took), took[len(took) // 2] if took else 0.0, took[-1] if took else 0.0))


def execute(statement: str, *values: Any) -> Any:
    """Run a statement, and return the first value of its first row, if there is one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchone()[0] if cursor.description else None


if __name__ == "__main__":
    main()
