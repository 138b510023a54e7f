"""Measures the history page of an audited object: `python -m benchmarks.history [--rows 10000000] [--sqlite]`.

Stores audit records of 400 days, and asks for the history of an object with few records and of one with a tenth of all,
through the whole platform without network. Prints the medians of the wall time and of Python's processor time. Runs on
a PostgreSQL that it starts itself, or on the one in DATABASE_URL, or with `--sqlite` on files. With `--keep DIR` the
files stay there, as the records stay in the database of DATABASE_URL, and the next run uses them again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.retention import SIZED
from tests.support.postgresql import DURABLE, running_server

DAYS = 400
OBJECTS = 100_000
BATCH = 250_000
FEW, MANY = 2, 1
"""The keys of an object with one in `OBJECTS` of the records, and of one with a tenth of them."""

TARGET_MS = 50
ROUNDS = 30

COLUMNS = "timestamp, id, level, category, source, message, user_id, correlation_id, subject, context"
# %(first)s is a number of seconds since 1970, %(step)s the seconds between two records.
VALUES = """
    'INFO', 'audit.update', 'shop-' || (i %% 4), 'Changed auth.group:' || object || ': name', CAST(i %% 500 AS text),
    'request-' || (i / 3), 'auth.group:' || object
"""
POSTGRESQL = f"""
    INSERT INTO system_logs ({COLUMNS})
    SELECT to_timestamp(%(first)s + i * %(step)s), gen_random_uuid(), {VALUES},
        jsonb_build_object('changes', jsonb_build_object('name', jsonb_build_array('old ' || i, 'new ' || i)))
    FROM (SELECT i, CASE WHEN i %% 10 = 0 THEN {MANY} ELSE i %% {OBJECTS} END AS object
        FROM generate_series(%(start)s, %(end)s) i) numbered
"""
SQLITE = f"""
    INSERT INTO system_logs ({COLUMNS})
    SELECT replace(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', %(first)s + i * %(step)s, 'unixepoch'), '.000000', ''),
        lower(hex(randomblob(16))), {VALUES},
        json_object('changes', json_object('name', json_array('old ' || i, 'new ' || i)))
    FROM (SELECT i, CASE WHEN i %% 10 = 0 THEN {MANY} ELSE i %% {OBJECTS} END AS object
        FROM (WITH RECURSIVE n(i) AS (SELECT %(start)s UNION ALL SELECT i + 1 FROM n WHERE i < %(end)s)
            SELECT i FROM n)) numbered
"""


def main() -> None:
    """Start a database, fill it, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite files")
    parser.add_argument("--pg-bin", type=Path, help="directory of the PostgreSQL binaries to start")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files here, and use them again")
    parser.add_argument("--prepare", action="store_true", help="with --keep: store the records, and measure nothing")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        url = None if options.sqlite else os.environ.get("DATABASE_URL")
        if not options.sqlite and not url:
            server = running_server(options.pg_bin, settings={**DURABLE, **SIZED})
            url = stack.enter_context(server).url()
        set_up(folder, url)
        from django.db import connections

        if not (folder / "prepared").exists():
            fill(options.rows)
            (folder / "prepared").touch()
        if not options.prepare:
            measure()
        connections.close_all()


def set_up(folder: Path, url: str | None) -> None:
    """Set up the platform with an audited model that has a history page, and migrate the databases."""
    os.environ.update(
        ENV_FILE="", VAR_DIR=str(folder), SECRET_KEY="benchmark" * 8, ALLOWED_HOSTS="testserver", DEBUG="off"
    )
    os.environ.pop("DATABASE_URL", None)
    if url:
        os.environ["DATABASE_URL"] = url
    from django.conf import settings

    from ops_platform import settings as platform

    own = {name: getattr(platform, name) for name in dir(platform) if name.isupper() and name != "ENV"}
    own["SYSTEMLOG"] = {**own["SYSTEMLOG"], "AUDIT": {"auth.Group": {}}}
    settings.configure(**{**own, "ROOT_URLCONF": "benchmarks.history_project"})
    import django

    django.setup()
    from django.core.management import call_command

    for alias in settings.DATABASES:
        call_command("migrate", database=alias, verbosity=0)


def fill(rows: int) -> None:
    """Store audit records, evenly over the days before now. On SQLite the indexes are built at the end."""
    from django.contrib.auth.models import Group, User
    from django.db import connections, transaction

    from systemlog.conf import conf
    from systemlog.storage import get_storage
    from systemlog.storage.postgresql.notes import SETTING

    for key in (FEW, MANY):
        Group.objects.create(pk=key, name=f"group {key}")
    User.objects.create_superuser("reader")
    connection = connections[conf().DATABASE]
    now = datetime.now(UTC)
    began = now - timedelta(days=DAYS)
    get_storage().ensure_partitions(began + timedelta(days=day) for day in range(DAYS + 1))
    with connection.cursor() as cursor, indexes_at_the_end(cursor, connection.vendor):
        for start in range(0, rows, BATCH):
            values = {"start": start, "end": min(start + BATCH, rows) - 1}
            values |= {"first": began.timestamp(), "step": (now - began).total_seconds() / rows}
            with transaction.atomic(using=connection.alias):
                if connection.vendor == "postgresql":
                    cursor.execute("SELECT set_config(%s, 'off', true)", [SETTING])
                cursor.execute(POSTGRESQL if connection.vendor == "postgresql" else SQLITE, values)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE system_logs" if connection.vendor == "postgresql" else "ANALYZE")


@contextlib.contextmanager
def indexes_at_the_end(cursor: Any, vendor: str) -> Iterator[None]:
    """Drop the indexes and triggers of SQLite's table, and create them again after the block."""
    made = []
    if vendor == "sqlite":
        cursor.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'system_logs' AND sql IS NOT NULL"
            " AND type IN ('index', 'trigger')"
        )
        made = cursor.fetchall()
    for kind, name, _ in made:
        cursor.execute(f'DROP {kind} "{name}"')
    yield
    for _, _, sql in made:
        cursor.execute(sql.replace("%", "%%"), [])


def measure() -> None:
    """Ask for the pages in turns, and print the table."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username="reader"))
    pages: dict[str, Callable[[], str]] = {
        "history of an object with few records": lambda: page_of(client, FEW),
        "history of an object with a tenth of all": lambda: page_of(client, MANY),
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
    for _ in range(ROUNDS + 1):
        for name, ask in pages.items():
            began = time.perf_counter(), time.process_time()
            assert "new " in ask()
            took[name].append((time.perf_counter() - began[0], time.process_time() - began[1]))
    print(f"{'':42} {'ms':>8} {'ms of processor':>16} {'first':>8}   (at most {TARGET_MS})")
    for name, times in took.items():
        wall, processor = (statistics.median(column) * 1000 for column in zip(*times[1:], strict=True))
        print(f"{name:42} {wall:8.1f} {processor:16.1f} {times[0][0] * 1000:8.1f}")


def page_of(client: Any, key: int) -> str:
    """Return the history page of a group."""
    response = client.get(f"/admin/auth/group/{key}/history/")
    assert response.status_code == 200, response.status_code
    text: str = response.content.decode()
    return text


if __name__ == "__main__":
    main()
