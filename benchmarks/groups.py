"""Measures how well messages are grouped, what landing costs with groups and without, and how long a page takes.

    pip install -r requirements.txt
    python -m benchmarks.groups [--loghub FILE] [--rounds 20] [--records 10000000] [--only PART] [--postgresql URL]

First: the share of lines whose group is exactly the true one, on the sixteen sets of loghub with their true templates,
with the same configuration for all sets. Without `--loghub` the sets are fetched from GitHub. The file has the lines as
NDJSON (gzip), with `source`, `message` and `context.event`. Drain3 is measured too if it is installed
(`pip install drain3`).

Second: rows landed in SQLite and PostgreSQL, with groups and without in turns: a storm of one traceback, and ordinary
traffic with 3 % errors. The part of the speed that remains compares the medians of the batches. The processor time of
this process is printed too, because other processes may be busy.

Third: a page of groups on PostgreSQL, with 10,000 groups beside that many records. Storing the records takes minutes;
with `--postgresql` they are stored in the database of this URL, and a second run finds them there.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import io
import json
import statistics
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

SETS = [
    "Android",
    "Apache",
    "BGL",
    "HDFS",
    "HPC",
    "Hadoop",
    "HealthApp",
    "Linux",
    "Mac",
    "OpenSSH",
    "OpenStack",
    "Proxifier",
    "Spark",
    "Thunderbird",
    "Windows",
    "Zookeeper",
]
URL = "https://raw.githubusercontent.com/logpai/loghub/master/{0}/{0}_2k.log_structured.csv"
BATCH = 5000
BATCHES = 4
GROUPS = 10_000
STORED_AT_ONCE = 500_000
FRAMES = "".join(
    f'  File "/srv/app/shop/billing/part{n}.py", line {n}, in step_{n}\n    return self.next(order, amount={n})\n'
    for n in range(12)
)

Lines = list[tuple[str, str]]
"""Messages, each with the name of its true template."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loghub", default="", help="the sets as NDJSON")
    parser.add_argument("--rounds", type=int, default=20, help="how many turns landing has")
    parser.add_argument("--records", type=int, default=10_000_000, help="records beside the groups")
    parser.add_argument("--only", choices=("accuracy", "landing", "page"), help="measure one of the three")
    parser.add_argument("--postgresql", default="", help="the URL of an empty database (default: a server of its own)")
    options = parser.parse_args()
    parts = {options.only} if options.only else {"accuracy", "landing", "page"}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        from tests.support.postgresql import DURABLE, running_server

        url = options.postgresql or stack.enter_context(running_server(settings=DURABLE)).url()
        configure(folder, url)
        print(f"Python {sys.version.split()[0]}, Django {django.__version__}\n")
        if "accuracy" in parts:
            accuracy(read_file(Path(options.loghub)) if options.loghub else fetch())
        for alias in ("sqlite", "postgresql"):
            settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DATABASE": alias}
            call_command("migrate", database=alias, verbosity=0)
            for name, lines in (("storm of one traceback", storm), ("3 % errors", ordinary)):
                if "landing" in parts:
                    landing(alias, name, lines, options.rounds)
        if "page" in parts:
            page(options.records)


def configure(folder: Path, url: str) -> None:
    """Configure Django with both databases, and a journal in `folder`."""
    from ops_platform.parsers import database
    from ops_platform.settings import SQLITE_OPTIONS

    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"), "OPTIONS": SQLITE_OPTIONS}
    settings.configure(
        DATABASES={"default": sqlite, "sqlite": sqlite, "postgresql": database(url)},
        INSTALLED_APPS=["systemlog"],
        SYSTEMLOG={"JOURNAL_DIR": str(folder / "journal")},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        SECRET_KEY="of-a-benchmark",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()


def fetch() -> dict[str, Lines]:
    """Return the sets from GitHub."""
    found = {}
    for name in SETS:
        with urllib.request.urlopen(URL.format(name), timeout=60) as answer:  # noqa: S310  (a constant)
            rows = csv.DictReader(io.TextIOWrapper(answer, "utf-8"))
            found[name] = [(row["Content"], row["EventId"]) for row in rows]
    return found


def read_file(path: Path) -> dict[str, Lines]:
    """Return the sets from a file."""
    found: dict[str, Lines] = defaultdict(list)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            record = json.loads(line)
            found[record["source"].rpartition("/")[2]].append((record["message"], record["context"]["event"]))
    return found


def accuracy(sets: dict[str, Lines]) -> None:
    """Print the grouping accuracy of each set, and the time for a line."""
    from systemlog.fingerprints.templates import mask

    groupers: dict[str, Callable[[], Callable[[str], Any]]] = {"mask": lambda: mask}
    with contextlib.suppress(ImportError):
        from drain3 import TemplateMiner

        def drain() -> Callable[[str], Any]:
            miner = TemplateMiner()
            return lambda message: miner.add_log_message(message)["cluster_id"]

        groupers["Drain3"] = drain
    print(f"{'grouping accuracy':<20}" + "".join(f"{name:>10}" for name in groupers))
    shares: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for name, lines in sets.items():
        for grouper, make in groupers.items():
            group = make()
            began = time.process_time()
            keys = [group(message) for message, _ in lines]
            seconds[grouper] += time.process_time() - began
            shares[grouper].append(share(keys, [event for _, event in lines]))
        print(f"{name:<20}" + "".join(f"{shares[grouper][-1]:>10.3f}" for grouper in groupers))
    print(f"{'average':<20}" + "".join(f"{statistics.mean(shares[grouper]):>10.3f}" for grouper in groupers))
    lines_count = sum(map(len, sets.values()))
    print(f"{'µs a line':<20}" + "".join(f"{seconds[each] / lines_count * 1e6:>10.1f}" for each in groupers) + "\n")


def share(keys: list[Any], events: list[str]) -> float:
    """Return the share of lines whose group has exactly the lines of their true template."""
    by_key, by_event = defaultdict(list), defaultdict(list)
    for number, (key, event) in enumerate(zip(keys, events, strict=True)):
        by_key[key].append(number)
        by_event[event].append(number)
    return sum(len(them) for them in by_event.values() if by_key[keys[them[0]]] == them) / len(keys)


def line(number: int, level: str, message: str, context: dict[str, Any]) -> bytes:
    """Return a line of the journal."""
    from systemlog.records.copy_text import encode
    from systemlog.records.ids import mint_id, next_instant
    from systemlog.records.row import Row

    now = next_instant()
    user = f"user-{number % 200}"
    return encode(
        Row(
            now,
            mint_id(now),
            level,
            "shop.billing",
            "web-1",
            message,
            uuid.uuid4().hex,
            user,
            context,
            None,
            None,
            None,
        )
    )


def storm(number: int) -> bytes:
    """Return a record of the storm."""
    text = f"Traceback (most recent call last):\n{FRAMES}shop.billing.Refused: order {number} was refused"
    return line(number, "ERROR", "charge failed", {"order": number, "exception": text})


def ordinary(number: int) -> bytes:
    """Return a record of ordinary traffic. The errors are of forty kinds, half of them with a traceback."""
    if number % 100 >= 3:
        return line(number, "INFO", f"GET /orders/{number}/items 200", {"method": "GET", "status": 200, "ms": 12.5})
    kind = number % 40
    if kind % 2:
        return line(number, "ERROR", f"charge {number} of kind {'x' * kind} failed", {"template": f"charge of {kind}"})
    text = f"Traceback (most recent call last):\n{FRAMES.replace('part1', f'part{kind}')}ValueError: {number}"
    return line(number, "ERROR", "charge failed", {"order": number, "exception": text})


@contextlib.contextmanager
def without_groups() -> Iterator[None]:
    """Make landing treat each record as one without a group."""
    from systemlog.storage.postgresql import writing
    from systemlog.storage.sqlite import store

    before = writing.INITIALS, store.is_grave
    writing.INITIALS, store.is_grave = frozenset(), lambda line: False
    try:
        yield
    finally:
        writing.INITIALS, store.is_grave = before


def landing(alias: str, name: str, make: Callable[[int], bytes], rounds: int) -> None:
    """Print how fast records land with groups, as a part of the speed without."""
    from systemlog.groups.folding import fold_all
    from systemlog.storage import Slice, get_storage

    storage = get_storage(alias)
    number = 0

    def turn() -> list[tuple[float, float]]:
        """Land four batches. Returns the time and the processor time of each, in seconds."""
        nonlocal number
        taken = []
        for _ in range(BATCHES):
            lines = [make(number + n) for n in range(BATCH)]
            number += BATCH
            began, busy = time.perf_counter(), time.process_time()
            storage.land([Slice(uuid.uuid4(), 0, 1, lines)], 0)
            taken.append((time.perf_counter() - began, time.process_time() - busy))
        return taken

    def plain_turn() -> list[tuple[float, float]]:
        with without_groups():
            return turn()

    turn()
    grouped: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    fold: list[float] = []
    for number_of_round in range(rounds):
        if number_of_round % 2:
            plain += plain_turn()
        grouped += turn()
        began = time.perf_counter()
        fold_all()
        fold.append((time.perf_counter() - began) / BATCH / BATCHES * 1e6)
        if not number_of_round % 2:
            plain += plain_turn()
    # Medians of batches, because a COMMIT waits for the disk, and sometimes takes twice as long.
    (wall, busy), (plain_wall, plain_busy) = (
        [statistics.median(column) for column in zip(*taken, strict=True)] for taken in (grouped, plain)
    )
    print(
        f"{alias:<11} {name:<24} {BATCH / wall:>9,.0f} rows/s, {plain_wall / wall:.1%} of the speed without groups "
        f"(processor time of this process: {plain_busy / busy:.1%}); "
        f"adding up {statistics.median(fold):.2f} µs a row"
    )


def page(records: int) -> None:
    """Print how long a page of groups takes, and what finds the records of one."""
    from systemlog.groups import folding, listing
    from systemlog.models import Group
    from systemlog.storage import get_storage

    now = datetime.now(UTC)
    get_storage("postgresql").ensure_partitions({now - timedelta(hours=hours) for hours in range(21)})
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM system_logs WHERE message LIKE 'record %'")
        for first in range(int(cursor.fetchone()[0]) + 1, records + 1, STORED_AT_ONCE):
            cursor.execute(
                """
                INSERT INTO system_logs (timestamp, id, level, message, group_id)
                SELECT now() - i * interval '20 hours' / %s, gen_random_uuid(),
                    CASE WHEN i %% 33 = 0 THEN 'ERROR' ELSE 'INFO' END, 'record ' || i,
                    CASE WHEN i %% 33 = 0 THEN lpad(to_hex(i %% %s), 16, '0') END
                FROM generate_series(%s, %s) i
                """,
                [records, GROUPS, first, min(records, first + STORED_AT_ONCE - 1)],
            )
        cursor.execute(
            """
            INSERT INTO system_log_group (id, kind, title, category, source, level, state, first_seen, last_seen, count,
                pruned, users, releases, algorithm, created_at)
            SELECT lpad(to_hex(i), 16, '0'), 'message', 'error ' || i, 'shop', 'web', 'ERROR', 'open', now(),
                now() - i * interval '1 second', 30, 0, 3, '[]', 1, now() FROM generate_series(0, %s - 1) i
            ON CONFLICT DO NOTHING
            """,
            [GROUPS],
        )
        cursor.execute("ANALYZE")
    for name, filters in (
        ("first page", listing.Filters()),
        ("open, by category", listing.Filters(states=("open",), categories=("shop",))),
        ("words in the title", listing.Filters(terms=("error", "77"))),
    ):
        times = []
        for _ in range(30):
            began = time.perf_counter()
            folding.catch_up()
            listing.page(filters, 200)
            times.append((time.perf_counter() - began) * 1e3)
        times.sort()
        count = Group.objects.using("postgresql").count()
        low, middle = times[3], times[15]
        print(f"page of 200 of {count:,} groups, {name}: {low:.1f} ms (p10), {middle:.1f} ms (median)")


if __name__ == "__main__":
    main()
