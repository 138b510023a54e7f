"""What every store does, each of them real: exact over processes, and right about how long to wait."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from systemlog.conf import conf
from systemlog.limits import guard
from systemlog.limits.gcra import SECOND_NS, Rate, make_rate, remaining, wait_ns
from systemlog.limits.stores.interface import Store, StoreUnavailable
from tests.support.limits import Limit
from tests.support.servers import PROJECT

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
DAY_S = 86_400
DEADLINE_S = 20
SECOND_OF_A_BUSY_MACHINE_S = 4


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of Redis or Valkey, of these tests alone."""
    if REDIS is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [REDIS, "--port", str(port), "--dir", str(folder), "--save", "", "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            break
        assert process.poll() is None
        assert time.monotonic() < deadline
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


@pytest.fixture(
    params=["shared", pytest.param("database", marks=pytest.mark.django_db(transaction=True)), "redis"],
)
def name(request: pytest.FixtureRequest) -> str:
    """What LIMITS_STORE says."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else request.param


@pytest.fixture
def store(name: str, limit: Limit) -> Iterator[Store]:
    """Each store."""
    limit(LIMITS_STORE=name)
    yield guard.guard().store
    guard.close()


def rate(quota: int, window_s: int = DAY_S) -> Rate:
    return make_rate(quota, window_s * SECOND_NS, quota)


def test_the_quota_is_admitted_and_no_more(store: Store) -> None:
    key, of_three = os.urandom(16), rate(3, 60)

    spares = [store.take(key, of_three) for _ in range(5)]

    assert [remaining(spare, of_three) for spare in spares] == [2, 1, 0, 0, 0]
    assert [spare >= 0 for spare in spares] == [True, True, True, False, False]
    for spare in spares:
        assert 19 * SECOND_NS < wait_ns(spare, of_three) <= 20 * SECOND_NS


def test_keys_do_not_touch_each_other(store: Store) -> None:
    keys, of_one = [os.urandom(16) for _ in range(20)], rate(1)

    assert all(store.take(key, of_one) >= 0 for key in keys)
    assert all(store.take(key, of_one) < 0 for key in keys)


def test_another_opening_goes_on_with_the_counts(store: Store) -> None:
    key, of_one = os.urandom(16), rate(1)
    assert store.take(key, of_one) >= 0
    guard.close()

    assert guard.guard().store.take(key, of_one) < 0


def test_a_time_that_is_too_far_ahead_counts_as_the_furthest_possible(store: Store) -> None:
    key = os.urandom(16)
    assert store.take(key, rate(1)) >= 0  # to be due in a day

    spare = store.take(key, rate(10, 10))

    assert -SECOND_NS <= spare < 0


def test_a_clock_that_was_set_back_refuses_nobody_until_it_has_caught_up(store: Store) -> None:
    key, of_ten = os.urandom(16), rate(10, 1)
    assert store.take(key, rate(1)) >= 0  # to be due in a day, as if the clock had been a day ahead then
    deadline = time.monotonic() + DEADLINE_S

    assert store.take(key, of_ten) < 0
    while store.take(key, of_ten) < 0:
        assert time.monotonic() < deadline


@contextlib.contextmanager
def hammering(name: str, directory: Path, key: bytes, **more: Any) -> Iterator[Callable[[], list[int]]]:
    """Four processes, ready to ask at once; gives a function that has them do it, for how many each was admitted."""
    given = {"store": name, "directory": str(directory), "key": key.hex(), "quota": 100, "window": DAY_S, "times": 400}
    given["databases"] = {alias: str(connections[alias].settings_dict["NAME"]) for alias in connections}
    command = [sys.executable, "-m", "tests.limits.hammer", json.dumps({**given, **more})]
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(4):
            process = subprocess.Popen(
                command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            processes.append(process)
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4

        def ask() -> list[int]:
            for process in processes:
                process.stdin.write("\n")
            return [int(process.stdout.readline()) for process in processes]

        yield ask


def test_four_processes_together_are_admitted_as_often_as_one(store: Store, name: str) -> None:
    key = os.urandom(16)

    with hammering(name, Path(conf().LIMITS_DIR), key) as ask:
        admitted = ask()

    assert sum(admitted) == 100
    assert store.take(key, rate(100)) < 0


@pytest.mark.django_db(transaction=True)
def test_the_database_store_asks_one_statement_and_none_of_a_refused_key(limit: Limit) -> None:
    from systemlog.limits.stores import database

    limit(LIMITS_STORE="database")
    key, of_one, asked = os.urandom(16), rate(1), []
    kept = guard.guard()
    kept.take(os.urandom(16), of_one)
    connection = kept.store._worker._connection
    assert isinstance(kept.store, database.DatabaseStore)

    def count(execute: Any, *arguments: Any) -> Any:
        asked.append(arguments[0].split()[0])
        return execute(*arguments)

    with connection.execute_wrapper(count):
        assert kept.take(key, of_one) >= 0
        assert asked == ["INSERT"]
        assert kept.take(key, of_one) < 0
        assert asked == ["INSERT", "INSERT", "SELECT"]
        assert kept.known(key) < 0
    assert asked == ["INSERT", "INSERT", "SELECT"]


@pytest.mark.django_db(transaction=True)
def test_times_that_have_passed_are_deleted_in_passing(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    from systemlog.limits.stores import database

    monkeypatch.setattr(database, "TIDY_EVERY", 50)
    monkeypatch.setattr(database.secrets, "token_bytes", bytes)
    limit(LIMITS_STORE="database")
    short = Rate(1, 1)
    store = guard.guard().store
    for _ in range(200):
        store.take(os.urandom(16), short)
    store.check()

    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM system_log_limit")
        assert cursor.fetchone()[0] < 200


@pytest.mark.parametrize("name", ["redis://127.0.0.1:1/0", "redis://no-such-host.invalid/0"])
def test_a_redis_that_is_not_there_is_noticed_within_a_second(limit: Limit, name: str) -> None:
    pytest.importorskip("redis")
    limit(LIMITS_STORE=name)
    began = time.monotonic()

    with pytest.raises(StoreUnavailable):
        guard.guard().store.take(os.urandom(16), rate(1))
    assert time.monotonic() - began < SECOND_OF_A_BUSY_MACHINE_S


def test_a_redis_that_says_nothing_is_noticed_within_a_second(limit: Limit) -> None:
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limit(LIMITS_STORE=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()

        with pytest.raises(StoreUnavailable):
            guard.guard().store.take(os.urandom(16), rate(1))
        assert time.monotonic() - began < SECOND_OF_A_BUSY_MACHINE_S


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_busy_is_noticed_within_a_second(limit: Limit) -> None:
    limit(LIMITS_STORE="database")
    store = guard.guard().store
    store.check()
    connection = connections[conf().DATABASE]
    lock = "LOCK TABLE system_log_limit" if connection.vendor == "postgresql" else "DELETE FROM system_log_limit"
    from django.db import transaction

    with transaction.atomic(using=conf().DATABASE):
        with connection.cursor() as cursor:
            cursor.execute(lock)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.take(os.urandom(16), rate(1))
        assert time.monotonic() - began < SECOND_OF_A_BUSY_MACHINE_S

    assert store.take(os.urandom(16), rate(1)) >= 0


@pytest.mark.skipif("config.getoption('db') == 'sqlite'", reason="SQLite has no server")
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_has_ended_is_made_anew(limit: Limit) -> None:
    limit(LIMITS_STORE="database")
    store = guard.guard().store
    store.check()
    own = store._worker._connection.connection.info.backend_pid
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own])

    assert store.take(os.urandom(16), rate(1)) >= 0
