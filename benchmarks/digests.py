"""Measures sealing and verifying of N rows: `python -m benchmarks.digests --rows 1000000 [--db sqlite] [--pg-bin DIR]`.

Loads a day of records, seals its hours and verifies them. Prints the processor time of this process and, on PostgreSQL,
of its server process, and the growth of this process's memory. Then it measures a log that was empty for ten years, and
the cost of landing: without a key, with a key, and while the lander seals in the same process.
Runs on a PostgreSQL that it starts itself (`--pg-bin`: directory of the binaries, by default those of the wheel).
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import environ
from django.conf import settings

from tests.support.postgresql import DURABLE, running_server

DAY = datetime(2026, 1, 2, tzinfo=UTC)
FILL_POSTGRESQL = """
    INSERT INTO system_logs (timestamp, id, level, category, source, message, correlation_id, user_id, context)
    SELECT %s::timestamptz + i * %s::interval, gen_random_uuid(), 'INFO', 'shop.' || i %% 20, 'web-' || i %% 4,
        'order ' || i || ' of customer ' || i %% 9973 || ' took ' || i %% 877 || ' ms: ' || md5(i::text),
        md5((i / 8)::text), (i %% 5000)::text,
        jsonb_build_object('order', i, 'items', i %% 7, 'path', '/orders/' || i %% 99)
    FROM generate_series(%s, %s) i
"""
BATCH = 100_000
ROUNDS = 9
LINES = 20_000


def main() -> None:
    """Start the database, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--db", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digests-")))
        if options.db == "sqlite":
            database: dict[str, Any] = {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder / "logs.sqlite3"),
                "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;", "timeout": 20},
            }
        else:
            server = stack.enter_context(running_server(options.pg_bin, settings=DURABLE))
            database = environ.Env.db_url_config(server.url())
        settings.configure(
            USE_TZ=True,
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "systemlog"],
            DATABASES={"default": database},
            SYSTEMLOG={"JOURNAL": "memory", "DIGEST_DIR": str(folder / "digests"), "DIGEST_KEY": str(folder / "key")},
        )
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        from systemlog.digests import keys

        keys.create(folder / "key")
        call_command("migrate", verbosity=0)
        measure_ten_empty_years()
        measure_day(options.rows)
        measure_landing(folder)
        connections.close_all()


def measure_ten_empty_years() -> None:
    """Seal and verify a log whose oldest record is ten years old, and which was empty since."""
    from systemlog.storage import get_storage

    get_storage().insert([row(DAY - timedelta(days=3653), 0)])
    with measured("seal ten empty years", 1):
        seal_until(DAY)
    with measured("verify ten empty years", 1):
        verify_all()


def measure_day(rows: int) -> None:
    """Load a day, seal it and verify it."""
    load(rows)
    with measured(f"seal {rows:,} records in 24 hours", rows):
        seal_until(DAY + timedelta(days=1))
    with measured(f"verify {rows:,} records in 24 hours", rows):
        verify_all()


def measure_landing(folder: Path) -> None:
    """Land the same number of lines in turns without a key, with a key, and while the lander seals."""
    from systemlog.digests import duty
    from systemlog.digests.agreement import read_states
    from systemlog.digests.chain import Chain
    from systemlog.digests.notes import Notes
    from systemlog.digests.outside import outside
    from systemlog.digests.tally import tally_hours
    from systemlog.storage import get_storage

    place = outside()
    states = read_states(place.lines())
    stop = threading.Event()
    work = threading.Event()

    def hash_hours() -> None:
        """Seal an hour again and again, at the pace of the lander."""
        from django.db import connections

        chain = Chain(get_storage(), place)
        while not stop.is_set():
            if not work.wait(0.05):
                continue
            throttle = duty.Throttle(lambda: stop.is_set() or not work.is_set())
            with contextlib.suppress(duty.Stopped):
                notes = Notes(chain.storage, states, DAY, DAY + timedelta(days=1))
                for _ in tally_hours(chain.storage, DAY, DAY + timedelta(days=1), notes, pace=throttle):
                    pass
        connections.close_all()

    thread = threading.Thread(target=hash_hours)
    thread.start()
    key = settings.SYSTEMLOG["DIGEST_KEY"]
    taken: dict[str, list[tuple[float, float]]] = {"without a key": [], "with a key": [], "while an hour is sealed": []}
    try:
        for _ in range(ROUNDS):
            for name, figures in taken.items():
                settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DIGEST_KEY": "" if name == "without a key" else key}
                if name == "while an hour is sealed":
                    work.set()
                figures.append(land(folder))
                work.clear()
    finally:
        stop.set()
        thread.join()
    base = statistics.median(cpu for cpu, _ in taken["without a key"])
    base_wall = statistics.median(wall for _, wall in taken["without a key"])
    print(f"\nlanding {LINES:,} lines, medians of {ROUNDS} rounds in turns")
    for name, figures in taken.items():
        cpu, wall = (statistics.median(each[place] for each in figures) for place in (0, 1))
        print(
            f"  {name:26} {cpu:6.3f} s of processor ({cpu / base:5.3f} times)  {wall:6.3f} s of time "
            f"({wall / base_wall:5.3f} times)"
        )


def land(folder: Path) -> tuple[float, float]:
    """Land lines of now. Return the processor time of this thread and of the server, and the wall time."""
    from systemlog.records.copy_text import encode
    from systemlog.storage import Slice, get_storage

    now = datetime.now(UTC)
    lines = [encode(row(now, number)) for number in range(LINES)]
    storage = get_storage()
    server = backend_cpu()
    cpu, began = time.thread_time(), time.monotonic()
    for start in range(0, LINES, 5000):
        storage.land([Slice(uuid.uuid4(), 0, 1, lines[start : start + 5000])], 0)
    return time.thread_time() - cpu + backend_cpu() - server, time.monotonic() - began


def row(at: datetime, number: int) -> Any:
    from systemlog.records.ids import mint_id
    from systemlog.storage import Row

    context = {"order": number, "items": number % 7, "path": f"/orders/{number % 99}"}
    message = f"order {number} of customer {number % 9973} took {number % 877} ms: {uuid.uuid4().hex}"
    return Row(
        at, mint_id(at), "INFO", f"shop.{number % 20}", "web-1", message, uuid.uuid4().hex, "17", context, *[None] * 3
    )


def load(rows: int) -> None:
    """Store the records of a day."""
    from django.db import connection

    from systemlog.storage import get_storage

    storage = get_storage()
    storage.ensure_partitions([DAY])
    step = timedelta(days=1) / rows
    for start in range(0, rows, BATCH):
        end = min(rows, start + BATCH)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(FILL_POSTGRESQL, [DAY, step, start, end - 1])
        else:
            storage.insert([row(DAY + step * number, number) for number in range(start, end)])
        print(f"\r{end:,} loaded", end="", flush=True)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE system_logs")
    print()


def seal_until(until: datetime) -> None:
    from systemlog.digests.sealing import seal

    seal(until)


def verify_all() -> None:
    from systemlog.digests.keys import public_key
    from systemlog.digests.outside import outside
    from systemlog.digests.verification import verify
    from systemlog.storage import get_storage

    result = verify(get_storage(), outside(), public_key())
    assert result.holds, result.wrong


@contextlib.contextmanager
def measured(what: str, records: int) -> Iterator[None]:
    """Print the processor time of the block, records a second by it, and the growth of the largest memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    server, client, began = backend_cpu(), time.process_time(), time.monotonic()
    yield
    client, server = time.process_time() - client, backend_cpu() - server
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rate = f"{records / (client + server):>10,.0f} records/s of processor" if records > 1 else " " * 31
    print(
        f"{what:44} {client + server:7.2f} s of processor (client {client:.2f}, server {server:.2f}) {rate}"
        f"  {time.monotonic() - began:.1f} s of time, {grown:+.0f} MB"
    )


def backend_cpu() -> float:
    """Return the processor time of this connection's server process; 0 on SQLite."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


if __name__ == "__main__":
    main()
