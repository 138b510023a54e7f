"""The database probe against databases that fail in every way they do in production."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client

from health.conf import Settings
from health.probes.database import Unusable
from health.probes.migrations import Migrations
from tests.support.health import AddDatabase, FreezingRelay, Probes
from tests.support.postgresql import Server
from tests.support.waiting import eventually

DEADLINE_S = 0.7
"""The default. The kubelet's timeout is 1 s."""

WITHIN_S = 10
"""What is enough for an answer at the deadline, also on a busy machine. A database that hangs takes minutes."""


def is_ready(client: Client) -> bool:
    return client.get("/system-health/ready").status_code == 200


def seconds(client: Client) -> float:
    """Return how long it takes to tell that the database cannot be used."""
    began = time.monotonic()
    response = client.get("/system-health/ready")
    took_s = time.monotonic() - began

    assert response.status_code == 503
    assert (response.json()["status"], response.json()["db_ok"]) == ("maintenance", False)
    return took_s


def assert_not_ready(client: Client) -> None:
    client.get("/system-health/live")  # the first request of a client loads the middleware
    assert seconds(client) < WITHIN_S
    assert client.get("/system-health/live").status_code == 200


def test_a_database_that_answers(stranger: Client, add_database: AddDatabase, postgresql: Server) -> None:
    add_database("fine", host=str(postgresql.home), USER="app")

    assert stranger.get("/system-health/ready").json()["db_ok"] is True


def test_a_database_that_refuses(stranger: Client, add_database: AddDatabase, refusing_port: int) -> None:
    add_database("refusing", host="127.0.0.1", port=refusing_port)

    assert_not_ready(stranger)


def test_a_database_that_accepts_and_says_nothing(
    stranger: Client, add_database: AddDatabase, silent_port: int
) -> None:
    add_database("silent", host="127.0.0.1", port=silent_port, deadline_s=DEADLINE_S)

    assert_not_ready(stranger)
    # Who asks again does not wait again, or it would take so long each time.
    assert any(seconds(stranger) < DEADLINE_S for _ in range(10))


def test_a_host_that_nobody_knows(stranger: Client, add_database: AddDatabase) -> None:
    add_database("nowhere", host="no-such-host.invalid", port=5432, deadline_s=DEADLINE_S)

    assert_not_ready(stranger)


def test_a_server_that_is_stopped_and_goes_on(stranger: Client, add_database: AddDatabase, postgresql: Server) -> None:
    add_database("stopped", host=str(postgresql.home), deadline_s=DEADLINE_S)
    assert eventually(lambda: is_ready(stranger))

    os.kill(postgresql.pid, signal.SIGSTOP)
    try:
        assert_not_ready(stranger)
    finally:
        os.kill(postgresql.pid, signal.SIGCONT)

    assert eventually(lambda: is_ready(stranger))


def test_a_server_that_freezes_after_the_connection_was_made(
    stranger: Client, add_database: AddDatabase, freezing_relay: FreezingRelay
) -> None:
    add_database("frozen", host="127.0.0.1", port=freezing_relay.port, deadline_s=DEADLINE_S)

    assert_not_ready(stranger)
    assert freezing_relay.frozen.is_set()


def test_a_server_with_no_connection_left(stranger: Client, add_database: AddDatabase, postgresql: Server) -> None:
    with postgresql.connect() as admin:
        admin.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 1")
    alias = add_database("crowded", host=str(postgresql.home), USER="crowded", deadline_s=DEADLINE_S)
    with connections[alias].cursor():
        assert_not_ready(stranger)
    connections[alias].close()

    assert eventually(lambda: is_ready(stranger))


def test_a_pool_of_one_that_is_taken(stranger: Client, add_database: AddDatabase, postgresql: Server) -> None:
    pytest.importorskip("psycopg_pool")
    pool = {"min_size": 1, "max_size": 1}
    alias = add_database("pooled", host=str(postgresql.home), USER="app", OPTIONS={"pool": pool}, deadline_s=DEADLINE_S)
    assert eventually(lambda: is_ready(stranger))
    with connections[alias].cursor():  # the probe has given it back
        assert_not_ready(stranger)
    connections[alias].close()

    assert eventually(lambda: is_ready(stranger))


def test_a_database_that_takes_no_writes(
    stranger: Client, add_database: AddDatabase, probes: Probes, postgresql: Server
) -> None:
    read_only = {"options": "-c default_transaction_read_only=on"}
    alias = add_database("standby", host=str(postgresql.home), USER="app", OPTIONS=read_only)

    assert_not_ready(stranger)

    probes(replica={"PROBE": "health.probes.Database", "OPTIONS": {"alias": alias, "writable": False}})

    assert is_ready(stranger)


def test_a_replica_is_probed_as_one_unasked(
    stranger: Client, add_database: AddDatabase, probes: Probes, postgresql: Server
) -> None:
    replica = {"OPTIONS": {"options": "-c default_transaction_read_only=on"}, "TEST": {"MIRROR": "default"}}
    alias = add_database("replica", host=str(postgresql.home), USER="app", **replica)

    probes(**{f"database:{alias}": Settings().PROBES[f"database:{alias}"]})

    assert is_ready(stranger)


def test_connections_that_the_server_has_closed_are_no_failure(
    stranger: Client, add_database: AddDatabase, postgresql: Server
) -> None:
    alias = add_database("stale", host=str(postgresql.home), USER="app", CONN_MAX_AGE=None)
    assert is_ready(stranger)
    connections[alias].ensure_connection()
    with postgresql.connect() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")

    assert is_ready(stranger)


def test_a_sqlite_file_that_is_gone_stays_gone(stranger: Client, add_database: AddDatabase, tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite3"
    add_database("missing", host="", ENGINE="django.db.backends.sqlite3", NAME=str(missing))

    assert_not_ready(stranger)
    assert not missing.exists()


def test_no_probe_creates_the_missing_file(add_database: AddDatabase, tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite3"
    add_database("missing", host="", ENGINE="django.db.backends.sqlite3", NAME=str(missing))

    with pytest.raises(Unusable, match="missing"):
        Migrations("missing")()
    assert not missing.exists()


def test_a_sqlite_file_that_is_none(stranger: Client, add_database: AddDatabase, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.sqlite3"
    garbage.write_bytes(b"not a database " * 1000)
    add_database("garbage", host="", ENGINE="django.db.backends.sqlite3", NAME=str(garbage))

    assert_not_ready(stranger)
