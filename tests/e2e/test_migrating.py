"""Servers that start at once: one migrates at a time, the others say that they wait, and no lock stays behind."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ops_platform.parsers import database
from ops_platform.startup import ADVISORY_LOCK
from tests.support import pgbouncer
from tests.support.servers import PROJECT, Platform

pytestmark = pytest.mark.e2e

LOCKS_SQL = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s::bigint & 4294967295
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""In this database alone: other tests migrate others of the same server meanwhile."""


@pytest.fixture
def pooled(request: pytest.FixtureRequest, new_platform: Platform) -> Iterator[Platform]:
    """A platform whose database is behind a PgBouncer that pools transactions."""
    if request.config.getoption("db") != "postgresql":
        pytest.skip("PgBouncer stands before PostgreSQL only")
    if pgbouncer.PROGRAM is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    direct = new_platform.environment["DATABASE_URL"]
    with pgbouncer.pooled(direct) as url:
        new_platform.environment["DATABASE_URL"] = url
        yield new_platform


def connect(url: str) -> psycopg.Connection:
    """A connection of the test's own."""
    settings = database(url)
    assert settings is not None
    parameters = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    given = {parameter: settings[key] for parameter, key in parameters.items() if settings[key]}
    return psycopg.connect(**given, dbname=settings["NAME"], connect_timeout=5)


@contextlib.contextmanager
def another_that_migrates(platform: Platform) -> Iterator[None]:
    """A block in which the lock of migrations is held."""
    if "DATABASE_URL" in platform.environment:
        with connect(platform.environment["DATABASE_URL"]) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
            yield
    else:
        with (Path(platform.environment["VAR_DIR"]) / "db.sqlite3.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def test_a_server_that_waits_for_another_says_so_and_then_serves(new_platform: Platform) -> None:
    with contextlib.ExitStack() as stack:
        with another_that_migrates(new_platform):
            server = stack.enter_context(new_platform.serve("--workers=1", wait=False))
            server.wait_for_line("Waiting for another server")
        server.wait_until_it_answers()


def test_behind_a_pooler_no_lock_stays_behind_and_one_server_after_the_other_starts(pooled: Platform) -> None:
    for _ in range(2):
        with pooled.serve("--workers=1") as server:
            assert "Waiting for another server" not in server.log.read_text()
            with connect(pooled.environment["DATABASE_URL"]) as connection:
                assert connection.execute(LOCKS_SQL, [ADVISORY_LOCK]).fetchone() == (0,)


HOLD = """
from ops_platform import startup
with startup.alone():
    print("held", flush=True)
    input()
"""


def test_behind_a_pooler_the_lock_of_a_server_that_was_killed_is_given_back(pooled: Platform) -> None:
    command = [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", HOLD]
    with subprocess.Popen(
        command, cwd=PROJECT, env=pooled.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with pooled.serve("--workers=1"):
        pass


def test_behind_a_pooler_two_servers_that_start_at_once_both_come_up(pooled: Platform) -> None:
    with pooled.serve("--workers=1") as first, pooled.serve("--workers=1") as second:
        for server in (first, second):
            with server.client() as client:
                assert client.get("/docs").status_code == 200
