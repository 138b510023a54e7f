"""The database stops, freezes, comes back: what was accepted in between is there, once, and in order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.postgresql import Server, running_server
from tests.support.servers import PROJECT, Migrated, Platform, fresh_platform, migrated_database

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("config.getoption('db') != 'postgresql'", reason="SQLite is a file: it does not stop or freeze"),
]

URL = "/system/logs/"
NDJSON = {"Content-Type": "application/x-ndjson"}
DEADLINE_S = 90
WITHIN_S = 10
"""What docs/platform.md promises while the database hangs."""
POLL_S = 0.1

WRITE = """
import logging, sys
logger = logging.getLogger("outage")
for number in range(int(sys.argv[-1])):
    logger.warning("%06d", number)
"""


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    """A PostgreSQL that a test may stop, and starts again."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def migrated(database: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    """A migrated database there."""
    with migrated_database(tmp_path_factory.mktemp("migrated"), database.url()) as migrated:
        yield migrated


@pytest.fixture
def own_platform(tmp_path: Path, database: Server, migrated: Migrated) -> Iterator[Platform]:
    """The platform on it."""
    with fresh_platform(tmp_path, database.url(), migrated) as platform:
        yield platform


def becomes(wanted: object, look: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, f"{found!r} in place of {wanted!r}"
        time.sleep(POLL_S)


def write(platform: Platform, count: int) -> None:
    """A process that logs, and ends; with its database in whatever state."""
    code = f"import sys; sys.argv.append('{count}')\n{WRITE}"
    platform.manage("shell", "--verbosity=0", "--command", code)


def bulk(name: str, count: int) -> bytes:
    """Records with ids of the client's, as a shipper that repeats itself has them."""
    lines = []
    for number in range(count):
        record_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}"))
        instant = f"2026-01-01T00:00:{number % 60:02}Z"
        lines.append({"message": f"{number}", "category": name, "id": record_id, "timestamp": instant})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def messages(client: httpx.Client, category: str) -> list[str]:
    """What is stored, in order; nothing while the database does not answer."""
    found: list[str] = []
    url: str | None = f"{URL}?limit=2000&category={category}"
    while url:
        answer = client.get(url)
        if answer.status_code != 200:
            return []
        found += [item["message"] for item in answer.json()["items"]]
        url = answer.json()["next"]
    return found[::-1]


def test_what_is_accepted_while_the_database_is_down_lands_when_it_is_up(
    own_platform: Platform, database: Server
) -> None:
    token = own_platform.token("read", "write")
    with own_platform.serve("--workers=1") as server, server.client(token) as client:
        assert client.post(URL, content=bulk("before", 10), headers=NDJSON).status_code == 202
        becomes(10, lambda: len(messages(client, "before")))
        database.stop(how=signal.SIGQUIT)
        down = client.post(URL, content=bulk("down", 300), headers=NDJSON)
        assert (down.status_code, down.json()["accepted"]) == (202, 300)
        assert client.post(URL, content=bulk("down", 300), headers=NDJSON).status_code == 202, "it repeats itself"
        single = client.post(URL, json={"message": "now or never"})
        assert (single.status_code, single.headers["Retry-After"]) == (503, "5")
        write(own_platform, 500)
        server.wait_for_line("The log database takes no records")
        database.start()
        becomes([f"{number:06}" for number in range(500)], lambda: messages(client, "outage"))
        becomes(300, lambda: len(messages(client, "down")))
        server.wait_for_line("The log database takes records again")
        assert server.log.read_text().count("The log database takes no records") == 1


def test_a_token_that_was_refused_stays_refused_while_the_database_is_down(
    own_platform: Platform, database: Server
) -> None:
    kept = own_platform.token("read", "write")
    withdrawn = own_platform.manage("issue_token", "x", "--can=write").stdout.split()[-1]
    with own_platform.serve("--workers=2") as server, server.client(kept) as keeper, server.client(withdrawn) as other:

        def ask(_: object) -> None:
            for client in (keeper, other):
                headers = {**NDJSON, "Connection": "close"}
                assert client.post(URL, content=bulk("before", 1), headers=headers).status_code == 202

        def serving() -> int:
            """How many workers have served a request so far."""
            return len([*own_platform.folder.glob("metrics/*/requests_*.ring")])

        with ThreadPoolExecutor(4) as threads:
            # Asked often enough that both workers know both tokens: one may start late.
            becomes(2, lambda: [*threads.map(ask, range(4))] and serving())
            list(threads.map(ask, range(40)))
        code = "from django.contrib.auth.models import User; User.objects.filter(username='x').update(is_active=False)"
        own_platform.manage("shell", "--verbosity=0", "--command", code)
        # A worker believes a token for some seconds; once one has refused it, all do.
        becomes(401, lambda: other.post(URL, content=bulk("refused", 1), headers=NDJSON).status_code)
        database.stop(how=signal.SIGQUIT)
        try:
            for _ in range(20):
                headers = {**NDJSON, "Connection": "close"}
                assert other.post(URL, content=bulk("down", 1), headers=headers).status_code == 503
                assert keeper.post(URL, content=bulk("down", 1), headers=headers).status_code == 202
            assert keeper.get(URL).status_code == 503
        finally:
            database.start()


def test_requests_are_answered_within_ten_seconds_while_the_database_is_frozen(
    own_platform: Platform, database: Server
) -> None:
    token = own_platform.token("read", "write")
    record_id = "01890000-0000-7000-8000-000000000000"
    with own_platform.serve("--workers=1") as server, server.client(token) as client:
        asked: dict[str, Callable[[], httpx.Response]] = {
            "list": lambda: client.get(URL),
            "audit": lambda: client.get(f"{URL}?category=audit.*"),
            "record": lambda: client.get(f"{URL}{record_id}/"),
            "POST": lambda: client.post(URL, json={"message": "now or never"}),
            "bulk": lambda: client.post(URL, content=bulk("frozen", 10), headers=NDJSON),
            "session": lambda: httpx.get(f"{server.url}/admin/", cookies={"sessionid": "x" * 32}, timeout=20),
        }

        def all_at_once() -> dict[str, int]:
            """What is answered to each, of which each waits in a thread with a connection of its own."""
            with ThreadPoolExecutor(len(asked)) as threads:
                answers = {name: threads.submit(ask) for name, ask in asked.items()}
            for name, answer in answers.items():
                seconds = answer.result().elapsed.total_seconds()
                assert seconds < WITHIN_S, f"{name} took {seconds} s"
                refused = answer.result().status_code == 503
                assert ("Retry-After" in answer.result().headers) == refused
            return {name: answer.result().status_code for name, answer in answers.items()}

        usually = {"list": 200, "audit": 200, "record": 404, "POST": 201, "bulk": 202, "session": 302}
        frozen_out = {"list": 503, "audit": 503, "record": 503, "POST": 503, "bulk": 202, "session": 503}
        for _ in range(3):  # often enough that many threads hold connections
            assert all_at_once() == usually
        with database.frozen():
            assert all_at_once() == frozen_out
            assert all_at_once() == frozen_out, "when there is no connection any more"
        assert all_at_once() == usually
        becomes(10, lambda: len(messages(client, "frozen")))


def test_a_frozen_database_holds_up_nobody_who_logs(own_platform: Platform, database: Server) -> None:
    token = own_platform.token("read", "write")
    with own_platform.serve("--workers=1") as server, server.client(token) as client:
        assert client.post(URL, content=bulk("before", 10), headers=NDJSON).status_code == 202
        becomes(10, lambda: len(messages(client, "before")))
        with database.frozen():
            began = time.monotonic()
            write(own_platform, 500)
            assert time.monotonic() - began < 30, "it does not wait for the database"
            server.wait_for_line("The log database takes no records")
        becomes([f"{number:06}" for number in range(500)], lambda: messages(client, "outage"))


@contextlib.contextmanager
def landing(platform: Platform) -> Iterator[subprocess.Popen[str]]:
    """`manage.py land_system_logs`, begun."""
    lander = subprocess.Popen(
        [sys.executable, "manage.py", "land_system_logs"],
        cwd=PROJECT,
        env=platform.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert lander.stdout is not None
    try:
        assert "Landing" in lander.stdout.readline()
        yield lander
    finally:
        lander.kill()
        lander.wait()
        lander.stdout.close()


def stop_in_time(lander: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    lander.send_signal(signal.SIGTERM)
    assert lander.wait(timeout=10) == 0
    assert time.monotonic() - began < 4


def test_the_lander_as_a_process_begins_and_stops_while_the_database_hangs(
    own_platform: Platform, database: Server
) -> None:
    own_platform.environment["SYSTEMLOG_LANDER"] = "process"
    try:
        with landing(own_platform) as lander:
            os.kill(database.pid, signal.SIGSTOP)  # new connections hang from now on
            write(own_platform, 5)
            stop_in_time(lander)
        with landing(own_platform) as lander:
            stop_in_time(lander)
    finally:
        os.kill(database.pid, signal.SIGCONT)
