"""Compares one PostgreSQL with a Citus cluster of three nodes: `python -m benchmarks.citus BIN [--rows 300000]`.

BIN is the directory of a PostgreSQL that has the extension. Both are started from it on this machine, with the same
configuration. The same rows (30 days, see benchmarks/store.py) land in both in turns, then both run the same queries in
turns. Prints medians in milliseconds. All nodes share the cores of one machine, so the figures of the cluster show the
cost of distribution, and not the gain from more machines.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.citus import NODE_SETTINGS, running_cluster
from tests.support.postgresql import running_server

BATCH = 5000
ROUNDS = 30
SHARDS = "8"
"""Shards per partition: four for each worker."""


def main() -> None:
    """Start both, load both, query both, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("bin", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args()
    NODE_SETTINGS["citus.shard_count"] = SHARDS
    with ExitStack() as stack:
        single = stack.enter_context(running_server(options.bin, settings=NODE_SETTINGS))
        cluster = stack.enter_context(running_cluster(options.bin))
        sides = {
            "PostgreSQL": stack.enter_context(_side(single.url(), citus="off", rows=options.rows)),
            "Citus": stack.enter_context(_side(cluster, citus="on", rows=options.rows)),
        }
        results: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
        steps = [*["land"] * (options.rows // BATCH), "sizes", *["ask"] * ROUNDS, *["make a leaf"] * 5, "seal", "prune"]
        for step in steps:
            for name, ask in sides.items():
                for what, value in ask(step).items():
                    results[name].setdefault(what, []).append(value)
    print(f"{'':44}" + "".join(f"{name:>14}" for name in sides) + f"{'ratio':>8}")
    for what in results["PostgreSQL"]:
        one, many = (statistics.median(results[name][what]) for name in sides)
        print(f"{what:44}{one:14,.1f}{many:14,.1f}{many / one:8.2f}")


@contextmanager
def _side(url: str, *, citus: str, rows: int) -> Iterator[Callable[[str], dict[str, float]]]:
    """A process that runs steps on one of the two, and reports its measurements."""
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "SYSTEMLOG_CITUS": citus,
        "ENV_FILE": "",
        "SECRET_KEY": "s" * 50,
        "ALLOWED_HOSTS": "localhost",
        "DJANGO_SETTINGS_MODULE": "ops_platform.settings",
    }
    code = f"from benchmarks.citus import serve; serve({rows})"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(step: str) -> dict[str, float]:
            print(step, file=process.stdin, flush=True)
            answer: dict[str, float] = json.loads(process.stdout.readline())
            return answer

        yield ask
        process.stdin.close()


def serve(rows: int) -> None:
    """Run the steps that stdin names."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    side = Side(rows)
    for step in sys.stdin:
        print(json.dumps(getattr(side, step.strip().replace(" ", "_"))()), flush=True)


class Side:
    """One of the two servers, with its queries."""

    def __init__(self, rows: int) -> None:
        from benchmarks.store import lines
        from systemlog.storage import get_storage

        self.storage = get_storage()
        self.rows = rows
        self.now = datetime.now(UTC)
        self.storage.ensure_partitions([self.now - timedelta(days=day) for day in range(31)])
        self.lines = (f"{line.rstrip(chr(10))}\t\\N".encode() for line in lines(rows, self.now))
        self.segment, self.position = uuid.uuid4(), 0
        self.days_ahead = itertools.count(40, 40)

    def land(self) -> dict[str, float]:
        """Insert as the lander does: COPY, roll-up and checkpoint in one transaction."""
        from systemlog.storage import Slice

        batch = list(itertools.islice(self.lines, BATCH))
        piece = Slice(self.segment, self.position, self.position + 1, batch)
        took = _timed(lambda: self.storage.land([piece], 0))
        self.position += 1
        return {"landing, rows a second": BATCH / took * 1000}

    def sizes(self) -> dict[str, float]:
        """Return the bytes that a row takes on disk."""
        from systemlog.storage.postgresql.partitions import read_partitions

        with self.storage.connection.cursor() as cursor:
            for partition in read_partitions(cursor):
                cursor.execute(f"ANALYZE {partition.name}")
        reports = self.storage.partitions()
        return {
            "bytes of a row, without indexes": sum(report.partition.size_bytes for report in reports) / self.rows,
            "bytes of a row, with indexes": sum(report.total_bytes for report in reports) / self.rows,
        }

    def ask(self) -> dict[str, float]:
        """Run one round of queries, each for another record."""
        from systemlog.models import SystemLog
        from systemlog.search.counting.total import count
        from systemlog.search.one_record import find_record
        from systemlog.search.pages import find_page
        from systemlog.search.plan import Plan
        from systemlog.storage.lookups import By, Lookup

        everything = SystemLog.objects.all()
        page = find_page(Plan(everything), limit=50)
        some = page.items[-1]
        old = find_page(Plan(everything, until=self.now - timedelta(days=20)), limit=50)
        correlated = SystemLog.objects.filter(correlation_id=some.correlation_id)
        by = Lookup(By.CORRELATION_ID, str(some.correlation_id))
        category = SystemLog.objects.filter(category=some.category)
        return {
            "newest page of 50": _timed(lambda: find_page(Plan(everything), limit=50)),
            "page 20 days back": _timed(lambda: find_page(Plan(everything), limit=50, after=old.older)),
            "page of a category": _timed(lambda: find_page(Plan(category), limit=50)),
            "by correlation id": _timed(
                lambda: find_page(Plan(correlated, lookup=by, alone=True, selective=True), limit=50)
            ),
            "by id": _timed(lambda: find_record(some.id)),
            "total of a category": _timed(lambda: count(Plan(category))),
            "one record stored": _timed(lambda: SystemLog.objects.create(message="m")),
        }

    def make_a_partition(self) -> dict[str, float]:
        """Create a partition on demand, for a time that has none."""
        day = self.now + timedelta(days=next(self.days_ahead))
        return {"a leaf made": _timed(lambda: self.storage.ensure_partitions([day]))}

    def seal(self) -> dict[str, float]:
        """Run the maintenance of retention: seal the partitions whose span is over, and create partitions ahead."""

        def maintain() -> None:
            with self.storage.exclusive(lambda: None):
                self.storage.maintain(lambda doing: None)

        return {"30 leaves sealed, seconds": _timed(maintain) / 1000}

    def prune(self) -> dict[str, float]:
        """Delete 10 of 30 days by dropping partitions."""
        from django.core.management import call_command

        took = _timed(lambda: call_command("prune_system_logs", "--older-than", "20d", verbosity=0, stdout=sys.stderr))
        return {"10 of 30 days pruned, seconds": took / 1000}


def _timed(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
