"""A hundred rules over N records: `python -m benchmarks.alerts --rows 1000000 [--pg-bin DIR]`.

Loads ten days of records, and evaluates 100 rules again and again: at rest, then after 200,000 errors in the last
hour. Prints the time and the processor time of an evaluation, its slowest statement, and the cost of the same look-back
in a single statement that counts every window, as a query without a cap does. Finally it lands records in turns with
and without an evaluator running at the same time.
Runs on a PostgreSQL that it starts itself (`--pg-bin`: directory of the binaries, by default those of the wheel), or on
an empty database in DATABASE_URL. At 10 million rows it needs about 8 GB of disk.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import environ
from django.conf import settings

from benchmarks.retention import BATCH, FILL, SIZED
from tests.support.postgresql import DURABLE, running_server

DAYS = 10
EVALUATIONS = 30
STORM = 200_000
STORM_SQL = """
    INSERT INTO system_logs (timestamp, id, level, category, source, message)
    SELECT now() - i * interval '18 ms', gen_random_uuid(), 'ERROR', 'storm.' || i %% 3, 'web-' || i %% 4, 'it failed'
    FROM generate_series(1, %s) i
"""
UNCAPPED_SQL = """
    SELECT count(*) FROM (
        SELECT timestamp - lag(timestamp, 20) OVER (ORDER BY timestamp) AS length FROM system_logs
        WHERE level IN ('ERROR', 'CRITICAL') AND timestamp >= now() - interval '1 hour'
    ) windows WHERE length < interval '5 minutes'
"""
LANDED_AT_ONCE = 1000


def rules() -> Iterator[dict[str, Any]]:
    """Return a hundred rules of all kinds."""
    errors = {"min_level": "ERROR", "more_than": 20, "within": "5m"}
    for place in range(20):
        yield {"name": f"errors of shop.{place}", "category": f"shop.{place}", **errors}
    for place in range(4):
        yield {"name": f"errors of web-{place}", "source": f"web-{place}", **errors, "more_than": 1000}
    for place in range(20):
        yield {"name": f"records of shop.{place}", "category": f"shop.{place}", "more_than": 900, "within": "1m"}
    for place in range(20):
        yield {"name": f"silence of shop.{place}", "category": f"shop.{place}", "none_for": "10m"}
    for place in range(4):
        yield {"name": f"silence of web-{place}", "source": f"web-{place}", "none_for": "10m"}
    for place in range(20):
        week = {"times": 5, "as_before": "7d", "within": "5m", "at_least": 20}
        yield {"name": f"shop.{place} as before", "category": f"shop.{place}", "min_level": "ERROR", **week}
    for place in range(4):
        yield {"name": f"critical {place}", "level": "CRITICAL", "more_than": 10 + place, "within": "1m"}
    for place in range(3):
        yield {"name": f"audit {place}", "category": "audit*", "min_level": "WARNING", "more_than": 500, "within": "1m"}
    yield {"name": "storm", "category": "storm.*", **errors}
    yield {"name": "all errors", **errors, "more_than": 100}
    for place in range(3):
        text = {"category": f"shop.{place}", "q": "took 876 ms", "more_than": 50, "within": "5m"}
        yield {"name": f"slow orders of shop.{place}", **text}


def main() -> None:
    """Start the database, unless one is given, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=4, help="turns of 15 s of landing, with an evaluator and without")
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        server = running_server(options.pg_bin, settings={**DURABLE, **SIZED})
        url = os.environ.get("DATABASE_URL") or stack.enter_context(server).url()
        settings.configure(
            USE_TZ=True,
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "systemlog"],
            DATABASES={"default": environ.Env.db_url_config(url)},
            SYSTEMLOG={"JOURNAL": "direct", "ALERTS": list(rules())},
        )
        import django

        django.setup()
        from django.db import connections

        load(options.rows)
        measure("at rest")
        execute(STORM_SQL, STORM)
        execute("ANALYZE system_logs")
        measure(f"in a storm of {STORM:,} errors an hour")
        took = [timed(lambda: execute(UNCAPPED_SQL))[0] for _ in range(5)]
        print(f"    one rule without a cap:   {statistics.median(took) * 1000:8.1f} ms a statement")
        land(options.turns)
        connections.close_all()


def load(rows: int) -> None:
    """Ten days of records up to now. A database that an earlier run has loaded gets the records that are missing."""
    from django.core.management import call_command
    from django.db.models import Max

    from systemlog.models import SystemLog
    from systemlog.storage import get_storage

    call_command("migrate", verbosity=0)
    execute("DELETE FROM system_logs WHERE message IN ('an order', 'it failed')")  # an earlier run measured with these
    now = datetime.now(UTC)
    step = timedelta(days=DAYS) / rows
    newest = SystemLog.objects.aggregate(newest=Max("timestamp"))["newest"]
    missing = min(rows, int((now - newest) / step)) if newest else rows
    get_storage().ensure_partitions([now - timedelta(days=day) for day in range(DAYS + 1)])
    for first in reversed(range(1, missing + 1, BATCH)):  # the oldest first, so that a run that was cut off can go on
        execute(FILL.format(table="system_logs"), now, 0, step, first, min(first + BATCH - 1, missing))
    while get_storage().compact_rollup():
        pass
    execute("VACUUM (ANALYZE) system_logs")
    execute("VACUUM (ANALYZE) system_log_rollup")
    print(f"{rows:,} records, {missing:,} of them loaded now, {len(settings.SYSTEMLOG['ALERTS'])} rules")


def measure(when: str) -> None:
    """Evaluate the rules, and print how long an evaluation takes."""
    from django.db import connection

    from systemlog.alerts.evaluator import Evaluator

    statements: list[float] = []

    def watch(call: Callable[..., Any], *arguments: Any) -> Any:
        took, found = timed(lambda: call(*arguments))
        statements.append(took)
        return found

    evaluator = Evaluator()
    evaluator.evaluate(in_full=True)
    for _ in range(5):
        evaluator.evaluate()
    walls, busy = [], []
    with connection.execute_wrapper(watch):
        for _ in range(EVALUATIONS):
            began = time.thread_time()
            walls.append(timed(evaluator.evaluate)[0])
            busy.append(time.thread_time() - began)
    statements.sort()
    firing = evaluator.evaluate().firing
    print(when)
    print(
        f"    an evaluation:            {1000 * statistics.median(walls):8.1f} ms, the quickest {1000 * min(walls):.1f}"
    )
    print(f"    of it in this process:    {1000 * statistics.median(busy):8.1f} ms of processor time")
    print(f"    statements:               {len(statements) // EVALUATIONS:8} an evaluation")
    print(
        f"    the slowest of {len(statements):6}:    {1000 * statements[-1]:8.1f} ms, of 999 of 1,000 "
        f"{1000 * statements[-len(statements) // 1000 - 1]:.1f}"
    )
    print(f"    firing:                   {', '.join(firing) or 'none'}")


def land(turns: int) -> None:
    """Land records in turns with and without an evaluator, which runs in another thread every 15 s."""
    from django.db import connections

    from systemlog.alerts.evaluator import Evaluator

    evaluator = Evaluator()
    rates: dict[bool, list[float]] = {True: [], False: []}

    def evaluate() -> None:
        evaluator.evaluate()
        connections.close_all()

    for turn in range(2 * turns):
        beside = turn % 2 == 0
        thread = threading.Thread(target=evaluate) if beside else None
        if thread:
            thread.start()
        rates[beside].append(land_for(15.0))
        if thread:
            thread.join()
    with_it, without = (statistics.median(rates[beside]) for beside in (True, False))
    print(
        f"landing: {with_it:,.0f} records a second with an evaluator, {without:,.0f} without: "
        f"{100 * (1 - with_it / without):.1f} % slower"
    )


def land_for(seconds: float) -> float:
    """Insert batches for a time as the lander does, and return the records per second."""
    import uuid

    from systemlog.records.ids import mint_id, next_instant
    from systemlog.records.row import Row
    from systemlog.storage import get_storage

    number, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        rows = []
        for place in range(LANDED_AT_ONCE):
            at = next_instant()
            values = {"timestamp": at, "id": mint_id(at), "level": "INFO", "category": f"shop.{place % 20}"}
            values |= {"source": "web-1", "message": "an order", "context": "{}"}
            rows.append(Row(**{**dict.fromkeys(Row._fields), **values}))
        number += get_storage().insert(rows)
    assert isinstance(rows[0].id, uuid.UUID)
    return number / (time.monotonic() - began)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Call the function, and return the seconds that it took and its result."""
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def execute(sql: str, *parameters: object) -> None:
    """Run a statement."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


if __name__ == "__main__":
    main()
