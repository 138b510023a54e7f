"""Measures the store at N rows: `python -m benchmarks.store --rows 1000000 [--pg-bin DIR] [--rounds 30] [--keep]`.

Loads 30 days of events by COPY into `system_logs`, and the same events into (a) a plain table with five single-column
indexes behind DRF's page-number pagination, and (b) django-auditlog's model, if it is installed. Then sends the
same queries to each through the test client (no server, no authentication), interleaved, prints the medians and p99 in
milliseconds, and exports all records. Pruning and archiving are measured by `benchmarks.retention`.

Runs on a PostgreSQL that it starts itself (`--pg-bin`: directory of the binaries, by default those of the wheel), or on
a database in DATABASE_URL, whose schema `public` it drops. With `--keep` the tables of the last run there are used
again. At 10 million rows it needs about 25 GB of disk.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import random
import resource
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import environ
from django.conf import settings

from tests.support.postgresql import running_server

DAYS = 30
LEVELS = ("INFO", "WARNING", "ERROR", "CRITICAL")
WEIGHTS = (0.90, 0.07, 0.029, 0.001)
CATEGORIES = [
    f"shop.{name}" for name in ["web", "api", "auth", "cart", "orders", "billing", "search", "mail", "stock", "prices"]
]
CATEGORIES += [f"{name}.worker" for name in CATEGORIES]
BATCH = 20_000
RARE = 100_000
"""One row in this many has the rare word and the rare key."""

COLUMNS = "timestamp, id, level, category, source, message, correlation_id, user_id, context, trace_id, subject"
PLAIN = "benchmarks_plainlog"
AUDITLOG = "auditlog_logentry"
FILL_PLAIN = f"""
    INSERT INTO {PLAIN} (timestamp, level, category, source, message, correlation_id, user_id, context)
    SELECT timestamp, level, category, source, message, correlation_id, user_id, context FROM system_logs
    ORDER BY timestamp
"""
FILL_AUDITLOG = f"""
    INSERT INTO {AUDITLOG} (content_type_id, object_pk, object_id, object_repr, action, changes_text, changes,
        cid, timestamp, additional_data)
    SELECT 1, coalesce(subject, 'shop.order:0'), 0, message, 1, '', context, correlation_id, timestamp,
        jsonb_build_object('level', level, 'category', category, 'user', user_id)
    FROM system_logs ORDER BY timestamp
"""


def main() -> None:
    """Start the database, if none is given, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30, help="how often each question is asked")
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    parser.add_argument("--keep", action="store_true", help="use the tables of the last run, if they have as many rows")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = os.environ.get("DATABASE_URL") or stack.enter_context(running_server(options.pg_bin)).url()
        set_up(url)
        from benchmarks import store

        store.Store(options.rows, options.rounds).run(keep=options.keep)
        from django.db import connections

        connections.close_all()


def set_up(url: str) -> None:
    """Set up a project with the log, without authentication."""
    settings.configure(
        SECRET_KEY="benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.store_peers",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "rest_framework",
            "systemlog",
            "benchmarks",
            *(["auditlog"] if importlib.util.find_spec("auditlog") else []),
        ],
        MIDDLEWARE=[],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SYSTEMLOG={"JOURNAL": "direct"},
        DATABASES={"default": {**environ.Env.db_url_config(url), "CONN_MAX_AGE": None}},
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "EXCEPTION_HANDLER": "systemlog.problems.exception_handler",
            "DEFAULT_SCHEMA_CLASS": "systemlog.problems.schema.AutoSchema",
        },
    )
    import django

    django.setup()


class Store:
    """The tables with their rows, and the queries."""

    def __init__(self, rows: int, rounds: int) -> None:
        from django.contrib.auth.models import User
        from rest_framework.test import APIClient

        self.rows = rows
        self.rounds = rounds
        self.with_auditlog = importlib.util.find_spec("auditlog") is not None
        self.client = APIClient()
        self.client.force_authenticate(User(username="benchmark", is_superuser=True))

    def run(self, *, keep: bool) -> None:
        """Load, query and export."""
        if not (keep and self._loaded()):
            self._load()
        self._ask()
        self._export()

    # -- loading

    def _loaded(self) -> bool:
        with contextlib.suppress(Exception):
            return self._value("SELECT count(*) FROM system_logs") >= self.rows
        return False

    def _load(self) -> None:
        from django.core.management import call_command
        from django.db import connection

        from systemlog.storage import get_storage

        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        call_command("migrate", verbosity=0, run_syncdb=True)
        storage = get_storage()
        end = datetime.now(UTC)
        storage.ensure_partitions([end - timedelta(days=day) for day in range(DAYS + 1)])
        started = time.perf_counter()
        with connection.cursor() as cursor:
            for batch in blocks(lines(self.rows, end), BATCH):
                with cursor.copy(f"COPY system_logs ({COLUMNS}) FROM STDIN") as copy:
                    copy.write("".join(batch))
        took = time.perf_counter() - started
        print(
            f"loaded {self.rows:,} rows in {took:.1f} s: {self.rows / took:,.0f} rows/s, roll-up and indexes included"
        )
        while storage.compact_rollup():
            pass
        self._seal()
        with connection.cursor() as cursor:
            cursor.execute(FILL_PLAIN)
            for column in ("timestamp", "level", "category", "correlation_id", "user_id"):
                cursor.execute(f"CREATE INDEX ON {PLAIN} ({column})")
            if self.with_auditlog:
                cursor.execute(FILL_AUDITLOG)
            cursor.execute("VACUUM (ANALYZE)")

    def _seal(self) -> None:
        """Build the trigram indexes that retention builds on sealed partitions, if the database has pg_trgm."""
        from django.db import connection

        from systemlog.storage.postgresql.partitions import read_partitions

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
            if not cursor.fetchone()[0]:
                print("no pg_trgm: words are searched without an index")
                return
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for partition in read_partitions(cursor):
                if partition.span.upper < datetime.now(UTC):
                    cursor.execute(f"CREATE INDEX ON {partition.name} USING gin (message gin_trgm_ops)")

    # -- querying

    def _ask(self) -> None:
        from systemlog.models import SystemLog

        sample = SystemLog.objects.filter(level="ERROR", user_id__isnull=False, subject__isnull=False)
        one = sample.filter(timestamp__lt=datetime.now(UTC) - timedelta(days=10)).first()
        assert one is not None
        deep = (datetime.now(UTC) - timedelta(days=20)).isoformat().replace("+00:00", "Z")
        page = self.rows // 200 // 3  # two thirds down
        questions: dict[str, tuple[str, str | None, str | None]] = {
            "newest page": ("?", "?", "?"),
            "level ERROR": ("?level=ERROR", "?level=ERROR", None),
            "level CRITICAL": ("?level=CRITICAL", "?level=CRITICAL", None),
            "min_level WARNING": ("?min_level=WARNING", "?min_level=WARNING", None),
            "category": (f"?category={one.category}", f"?category={one.category}", None),
            "category and CRITICAL": (
                f"?category={one.category}&level=CRITICAL",
                f"?category={one.category}&level=CRITICAL",
                None,
            ),
            "correlation id": (f"?correlation_id={one.correlation_id}",) * 2 + (f"?cid={one.correlation_id}",),
            "user": (f"?user_id={one.user_id}", f"?user_id={one.user_id}", None),
            "subject": (f"?subject={one.subject}", None, f"?object_pk={one.subject}"),
            "trace id": (f"?trace_id={one.trace_id}", None, None),
            "one hour, 12 days ago": self._hour(12),
            "by id": (f"{one.id}/", None, None),
            "two thirds down": (f"?until={deep}", f"?page={page}", f"?page={page}"),
            "rare word": ("?q=zebra", None, None),
            "rare word, sealed": (f"?q=zebra&until={datetime.now(UTC):%Y-%m-%dT00:00:00Z}", None, None),
            "rare context key": ("?context.tenant=rare", None, None),
            "histogram by day": ("histogram/?interval=1d", None, None),
            "facets of category, ERROR": ("facets/?field=category&level=ERROR", None, None),
        }
        paths = ("/logs/", "/plain/", "/audit/" if self.with_auditlog else None)
        times: dict[tuple[str, int], list[float]] = {}
        for round_ in range(self.rounds + 1):
            for name, queries in questions.items():
                for peer, (path, query) in enumerate(zip(paths, queries, strict=True)):
                    slow = statistics.median(times.get((name, peer), [0])) > 0.5
                    if path is None or query is None or (slow and round_ > 3):
                        continue
                    started = time.perf_counter()
                    response = self.client.get(path + query)
                    took = time.perf_counter() - started
                    assert response.status_code == 200, response.content
                    if round_:  # the first round is the warm-up
                        times.setdefault((name, peer), []).append(took)
        print(f"\n{self.rows:,} rows; medians (p99) in ms; times faster than the plain table")
        print(f"{'':28}{'system_logs':>18}{'plain, DRF pages':>22}{'':>8}{'django-auditlog':>22}")
        for name in questions:
            ours, plain, audit = (times.get((name, peer)) for peer in range(3))
            ratio = f"{statistics.median(plain) / statistics.median(ours):.1f}x" if plain and ours else ""
            print(f"{name:28}{shown(ours):>18}{shown(plain):>22}{ratio:>8}{shown(audit):>22}")

    def _hour(self, days: int) -> tuple[str, str, str]:
        until = datetime.now(UTC) - timedelta(days=days)
        query = f"?since={until - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"
        return query, query, query

    # -- the rest

    def _export(self) -> None:
        for query in ("format=ndjson", "format=csv"):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            started = time.perf_counter()
            size = count = 0
            for chunk in self.client.get(f"/logs/export/?{query}").streaming_content:
                size += len(chunk)
                count += chunk.count(b"\n")
            took = time.perf_counter() - started
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(
                f"export, {query}: {count / took:,.0f} lines/s, {size / took / 1e6:.1f} MB/s, "
                f"memory grew by {grown / 1024:.0f} MiB over {count:,} lines"
            )

    def _value(self, sql: str) -> Any:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]


def lines(rows: int, end: datetime) -> Iterator[str]:
    """Yield the events as lines for COPY, oldest first."""
    from systemlog.records.ids import mint_id

    chance = random.Random(8)  # noqa: S311  (no secret)
    step = timedelta(days=DAYS) / rows
    start = end - timedelta(days=DAYS)
    levels = chance.choices(LEVELS, WEIGHTS, k=100_003)
    for number in range(rows):
        at = start + step * number
        request = number // 8
        order = (number * 7919) % 1_000_003
        user = f"u{request * 31 % 10_007}" if request % 2 else "\\N"
        subject = f"shop.order:{order}" if number % 3 == 0 else "\\N"
        trace = f"{request:032x}" if request % 3 == 0 else "\\N"
        context = {"order": order, "path": f"/api/orders/{order}/items", "ms": number * 13 % 997}
        message = (
            f"order {order} of customer {request % 50_021}: item {number % 89} was reserved in stock {number % 17}"
        )
        if number % RARE == RARE // 2:
            message += " zebra"
            context["tenant"] = "rare"
        yield (
            f"{at.isoformat()}\t{mint_id(at)}\t{levels[number % 100_003]}\t{CATEGORIES[order % 20]}\tweb-{number % 3}\t"
            f"{message}\treq-{request:024x}\t{user}\t{json.dumps(context)}\t{trace}\t{subject}\n"
        )


def blocks(items: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield the items in lists of `size`."""
    while block := list(itertools.islice(items, size)):
        yield block


def shown(times: list[float] | None) -> str:
    """Return the median and p99 in milliseconds."""
    if not times:
        return "-"
    ordered = sorted(times)
    return f"{statistics.median(times) * 1e3:.1f} ({ordered[int(len(ordered) * 0.99)] * 1e3:.1f})"


if __name__ == "__main__":
    main()
