"""Measures the cost of a log record for its caller, and how fast records reach the database: ours and the peers.

    pip install -r requirements.txt -r benchmarks/requirements.txt
    python -m benchmarks.journal [--rounds 300] [--rows 100000] [--database postgres://…]

First: µs per call of `logger.info` with two arguments and two extras, inside the correlation of a request, minus the
cost of the loop itself. The handlers take turns in short batches. A figure is the lower quartile of the rounds, and the
ratio is the median of the rounds' ratios to the null handler. Second: rows per second into the table with all its
indexes, by the lander and by COPY (on SQLite by executemany) of such rows into the same table, in turns. Without
`--database` a PostgreSQL of the tests' wheel is started, with the durability of a server in production.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import logging.handlers
import queue
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from pythonjsonlogger.json import JsonFormatter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

UNCOUNTED, BATCH = 50, 200
"""Calls of a turn. The first calls are slower, because the processor's caches hold data of the previous handler."""

DB_LOGGER_CALLS = 2000
LANDED_AT_ONCE = 5000


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, help="how often each handler has its turn")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of each round of landing")
    parser.add_argument(
        "--database", help="URL of a PostgreSQL database that may be filled (default: one of the wheel)"
    )
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = options.database
        if not url:
            from tests.support.postgresql import DURABLE, running_server

            url = stack.enter_context(running_server(settings=DURABLE)).url()
        configure(folder, url)
        for alias in ("postgresql", "sqlite"):
            call_command("migrate", database=alias, verbosity=0)
        print(f"Python {sys.version.split()[0]}, Django {django.__version__}\n")
        emit(options.rounds, folder)
        one_at_a_time = rate_of_db_logger()
        for alias in ("postgresql", "sqlite"):
            land(alias, folder, options.rows, one_at_a_time[alias])


def configure(folder: Path, url: str) -> None:
    """Configure Django with both databases, and a journal in `folder`."""
    from ops_platform.environment import database
    from ops_platform.settings import SQLITE_OPTIONS

    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"), "OPTIONS": SQLITE_OPTIONS}
    settings.configure(
        DATABASES={"default": sqlite, "sqlite": sqlite, "postgresql": database(url)},
        INSTALLED_APPS=["systemlog", "django_db_logger"],
        SYSTEMLOG={"DATABASE": "postgresql", "JOURNAL_DIR": str(folder / "journal")},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()


def emit(rounds: int, folder: Path) -> None:
    """Measure the cost of a call."""
    from systemlog.correlation import correlated
    from systemlog.journal import SystemLogHandler

    file = logging.FileHandler(folder / "lines.json")
    file.setFormatter(JsonFormatter())
    waiting: queue.SimpleQueue[object] = queue.SimpleQueue()
    loggers = {
        "null handler": logger_with(logging.NullHandler()),
        "SystemLogHandler": logger_with(SystemLogHandler()),
        "QueueHandler": logger_with(logging.handlers.QueueHandler(waiting)),
        "file, python-json-logger": logger_with(file),
    }
    times: dict[str, list[float]] = {name: [] for name in loggers}
    with correlated():
        for _ in range(rounds):
            for name, logger in loggers.items():
                seconds_a_call(logger, UNCOUNTED)
                times[name].append(seconds_a_call(logger, BATCH) * 1e6)
                while not waiting.empty():
                    waiting.get()
    print(f"{'logger.info, two arguments, two extras':40}{'µs':>8}{'ratio':>8}")
    for name, taken in times.items():
        ratio = statistics.median(one / null for one, null in zip(taken, times["null handler"], strict=True))
        print(f"{name:40}{statistics.quantiles(taken, n=4)[0]:8.1f}{ratio:8.2f}")


def rate_of_db_logger() -> dict[str, float]:
    """Return the records per second of django-db-logger, by alias."""
    from django_db_logger.db_log_handler import DatabaseLogHandler
    from django_db_logger.models import StatusLog

    class Handler(DatabaseLogHandler):
        """Into the database of the round."""

        alias = "default"

        def emit(self, record: logging.LogRecord) -> None:
            StatusLog.objects.using(self.alias).create(
                logger_name=record.name, level=record.levelno, msg=self.format(record), trace=None
            )

    handler = Handler()
    logger = logger_with(handler)
    rates = {}
    for handler.alias in ("postgresql", "sqlite"):
        rates[handler.alias] = 1 / seconds_a_call(logger, DB_LOGGER_CALLS)
        print(f"{'django-db-logger, ' + handler.alias:40}{1e6 / rates[handler.alias]:8.1f}")
    print()
    return rates


def land(alias: str, folder: Path, rows: int, one_at_a_time: float) -> None:
    """Measure the rows per second into the table."""
    from systemlog.landing import Lander
    from systemlog.storage import get_storage

    table: dict[str, Callable[[list[bytes]], None]] = {"postgresql": copy, "sqlite": executemany}
    raw = table[alias]
    landed, copied = [], []
    for turn in range(5):
        lines = make_lines(rows)
        batches = [lines[start : start + LANDED_AT_ONCE] for start in range(0, rows, LANDED_AT_ONCE)]
        began = time.perf_counter()
        for batch in batches:
            raw(batch)
        copied.append(rows / (time.perf_counter() - began))
        place = folder / f"{alias}-{turn}"
        write_segments(place, make_lines(rows))
        lander = Lander(place, storage=lambda: get_storage(alias))
        began = time.perf_counter()
        lander.land_all()
        landed.append(rows / (time.perf_counter() - began))
    ratio = statistics.median(one / other for one, other in zip(landed, copied, strict=True))
    print(f"{alias}: rows a second, medians of {len(landed)} turns with {rows:,} rows each")
    print(f"{'  lander':40}{statistics.median(landed):10,.0f}")
    print(f"{'  COPY' if alias == 'postgresql' else '  executemany':40}{statistics.median(copied):10,.0f}")
    print(f"{'  lander / that, median of the turns':40}{ratio:10.2f}")
    print(f"{'  lander / django-db-logger':40}{statistics.median(landed) / one_at_a_time:10.1f}\n")


def copy(lines: list[bytes]) -> None:
    """Insert the lines by COPY, in one transaction."""
    from systemlog.records.row import TABLE
    from systemlog.storage.postgresql.writing import COPY_SQL

    with transaction.atomic(using="postgresql"), connections["postgresql"].cursor() as cursor:
        data = b"".join([line + b"\n" for line in lines])
        with cursor.copy(COPY_SQL.format(table=TABLE)) as copying:
            copying.write(data)


def executemany(lines: list[bytes]) -> None:
    """Insert the lines, parsed into rows before, in one transaction."""
    from systemlog.storage.sqlite.store import INSERT_SQL, values_of

    values = [values_of(line) for line in lines]
    with transaction.atomic(using="sqlite"), connections["sqlite"].cursor() as cursor:
        cursor.executemany(INSERT_SQL, values)


def make_lines(count: int) -> list[bytes]:
    """Return lines of records of now, as the handler makes them."""
    from systemlog.journal.backends import writer_config
    from systemlog.journal.lines import build_line, column
    from systemlog.records.ids import new_key_bytes

    requests = [column(str(uuid.uuid4())) for _ in range(count // 8 + 1)]
    nothing = column(None)
    return [
        build_line(
            writer_config(),
            new_key_bytes(),
            b"INFO" if number % 10 else b"ERROR",
            f"shop.part{number % 20}",
            f"charge {number} of order {number // 8} was taken from the customer's account",
            {"order": number, "shop": "berlin", "amount": number / 100},
            requests[number // 8],
            column(str(number % 1000)),
            nothing,
            nothing,
        )
        for number in range(count)
    ]


def write_segments(place: Path, lines: list[bytes]) -> None:
    """Write a journal with these lines, whose writer has ended."""
    from systemlog.journal.framing import frame
    from systemlog.journal.segments import Segment

    place.mkdir()
    import os

    for start in range(0, len(lines), 50_000):
        segment = Segment(place, "benchmark")
        os.write(segment.descriptor, b"".join(frame(line, 0) for line in lines[start : start + 50_000]))


def logger_with(handler: logging.Handler) -> logging.Logger:
    """Return a logger with only this handler."""
    logger = logging.getLogger(f"benchmark.{uuid.uuid4()}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


def seconds_a_call(logger: logging.Logger, calls: int) -> float:
    """Return the mean time of a number of calls."""
    began = time.perf_counter()
    for number in range(calls):
        logger.info("charge %s of %s failed", number, "x@example.org", extra={"order": number, "shop": "berlin"})
    return (time.perf_counter() - began) / calls


if __name__ == "__main__":
    main()
