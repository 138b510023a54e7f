"""Measures sealing and verifying of N rows: `python -m benchmarks.digests --rows 1000000 [--db sqlite] [--pg-bin DIR]`.

Loads a day of records, seals its hours and verifies them. Prints the processor time of this process and, on PostgreSQL,
of its server process, and the largest memory of this process. Then it measures a log that was empty for ten years, and
the cost of landing in turns: without a key, with a key, while the lander seals in the same process, and while another
process seals as fast as it can.
Runs on a PostgreSQL that it starts itself (`--pg-bin`: directory of the binaries, by default those of the wheel), or
on the empty database `--url`. With `--load`, it only loads the records into that database, so that a second run can
measure alone on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
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
ROUNDS = 15
LINES = 20_000
NO_KEY, KEY, THREAD, PROCESS = "without a key", "with a key", "while the lander seals", "while a process seals"


def main() -> None:
    """Start the database, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--db", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    parser.add_argument("--url", help="DATABASE_URL of an empty database, or of one that --load has filled")
    parser.add_argument("--only", choices=("sealing", "landing"), help="measure only one of the two")
    parser.add_argument("--load", action="store_true", help="only load the records into the database --url")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digests-")))
        if options.url:
            database: dict[str, Any] = environ.Env.db_url_config(options.url)
        elif options.db == "sqlite":
            database = {
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
        load(options.rows)
        if options.load:
            return
        if options.only != "landing":
            measure_ten_empty_years()
            measure_day(options.rows)
        if options.only != "sealing":
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
    """Seal a day and verify it."""
    with measured(f"seal {rows:,} records in 24 hours", rows):
        seal_until(DAY + timedelta(days=1))
    with measured(f"verify {rows:,} records in 24 hours", rows):
        verify_all()


def measure_landing(folder: Path) -> None:
    """Land the same number of lines in turns, in each of four situations."""
    sealing = threading.Event()
    ended = threading.Event()
    thread = threading.Thread(target=hash_hours, args=(sealing, ended))
    beside = seal_in_child()
    thread.start()
    key = settings.SYSTEMLOG["DIGEST_KEY"]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in (NO_KEY, KEY, THREAD, PROCESS)}
    try:
        for _ in range(ROUNDS):
            for name, figures in taken.items():
                settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DIGEST_KEY": "" if name == NO_KEY else key}
                if name == THREAD:
                    sealing.set()
                elif name == PROCESS:
                    os.kill(beside, signal.SIGCONT)
                figures.append(land(folder))
                sealing.clear()
                os.kill(beside, signal.SIGSTOP)
    finally:
        os.kill(beside, signal.SIGKILL)
        os.waitpid(beside, 0)
        ended.set()
        thread.join()
    print(f"\nlanding {LINES:,} lines, medians of {ROUNDS} rounds in turns; times: medians of the rounds, to `{KEY}`")
    for name, figures in taken.items():
        cpu, wall = (statistics.median(each[place] for each in figures) for place in (0, 1))
        cpu_ratio, wall_ratio = (
            statistics.median(each[place] / base[place] for each, base in zip(figures, taken[KEY], strict=True))
            for place in (0, 1)
        )
        print(
            f"  {name:26} {cpu:6.3f} s of processor ({cpu_ratio:5.3f} times)  {wall:6.3f} s of time "
            f"({wall_ratio:5.3f} times)"
        )


def hash_hours(sealing: threading.Event, ended: threading.Event) -> None:
    """Read and hash the day again and again while `sealing` is set, at the pace of the lander."""
    from django.db import connections

    from systemlog.digests import duty

    while not ended.is_set():
        if sealing.wait(0.05):
            with contextlib.suppress(duty.Stopped):
                hash_day(duty.Throttle(lambda: ended.is_set() or not sealing.is_set()))
    connections.close_all()


def seal_in_child() -> int:
    """Start a process that reads and hashes the day again and again. Stop it, and return its id."""
    from django.db import connections

    connections.close_all()
    child = os.fork()
    if child:
        os.kill(child, signal.SIGSTOP)
        return child
    try:
        while True:
            hash_day(lambda records: None)
    finally:
        os._exit(1)


def hash_day(pace: Any) -> None:
    """Read and hash the day as sealing does, and sign nothing."""
    from systemlog.digests.agreement import read_states
    from systemlog.digests.notes import Notes
    from systemlog.digests.outside import outside
    from systemlog.digests.tally import tally_hours
    from systemlog.storage import get_storage

    storage, place, end = get_storage(), outside(), DAY + timedelta(days=1)
    notes = Notes(storage, read_states(place.lines()), DAY, end)
    for _ in tally_hours(storage, DAY, end, notes, pace=pace, leaves=place.leaves, listing=True):
        pass


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
    """Store the records of a day that are not there yet."""
    from django.db import connection

    from systemlog.storage import get_storage

    storage = get_storage()
    storage.ensure_partitions([DAY])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM system_logs")
        there = cursor.fetchone()[0]
        if there >= rows:
            return
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")  # without the triggers of the roll-up
    step = timedelta(days=1) / rows
    for start in range(there, rows, BATCH):
        end = min(rows, start + BATCH)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(FILL_POSTGRESQL, [DAY, step, start, end - 1])
        else:
            storage.insert([row(DAY + step * number, number) for number in range(start, end)])
        print(f"\r{end:,} loaded", end="", flush=True)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = origin")
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
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (largest - before) / 1024
    rate = f"{records / (client + server):>10,.0f} records/s of processor" if records > 1 else " " * 31
    print(
        f"{what:44} {client + server:7.2f} s of processor (client {client:.2f}, server {server:.2f}) {rate}"
        f"  {time.monotonic() - began:.1f} s of time, largest memory {largest / 1024:.0f} MB ({grown:+.0f})"
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
