"""A tail of a running server: the lander is killed again and again, answers get lost, the database is exchanged."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.servers import PROJECT, Platform, Server, fresh_platform

pytestmark = [pytest.mark.e2e]

LOGS = "/system/logs/"
TAIL = f"{LOGS}tail/"
KILLS = 3
DEADLINE_S = 60
PAUSE_S = 0.05


@contextlib.contextmanager
def lander(platform: Platform) -> Iterator[subprocess.Popen[bytes]]:
    """A lander in a process of its own, which is killed at the end."""
    command = [sys.executable, "manage.py", "land_system_logs"]
    process = subprocess.Popen(command, cwd=PROJECT, env=platform.environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def sending(client: httpx.Client) -> Iterator[list[str]]:
    """A block in which bulks and single records are sent, all older than they seem; gives the accepted messages."""
    accepted: list[str] = []
    stop = threading.Event()

    def send() -> None:
        chance = random.Random(1)
        while not stop.is_set():
            messages = [f"{len(accepted)}-{number}" for number in range(chance.choice([1, 20, 50]))]
            day = chance.choice(["2026-01-01", "2026-03-01"])
            body = [{"message": m, "category": "sent", "timestamp": f"{day}T00:00:00Z"} for m in messages]
            response = client.post(LOGS, json=body if len(body) > 1 else body[0])
            assert response.status_code in (201, 202), response.content
            accepted.extend(messages)
            stop.wait(chance.random() * PAUSE_S)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield accepted
    finally:
        stop.set()
        sender.join()


class Reader:
    """Follows the log, and throws some answers away."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.got: list[str] = []
        self._chance = random.Random(2)
        self.after = self.ask()["after"]

    def ask(self, after: str = "") -> Any:
        parameters = {"category": "sent", "limit": 70, **({"after": after} if after else {})}
        response = self.client.get(TAIL, params=parameters)
        assert response.status_code == 200, response.content
        return response.json()

    def read(self) -> bool:
        """Read a page. Returns whether it had a gap."""
        page = self.ask(self.after)
        if self._chance.random() < 0.2:
            return False
        self.got += [item["message"] for item in page["items"]]
        self.after = page["after"]
        return bool(page["gap"])

    def read_until(self, count: int) -> None:
        """Read until so many messages came."""
        deadline = time.monotonic() + DEADLINE_S
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count} records came"
            assert not self.read()


def test_a_killed_lander_neither_loses_nor_doubles_a_record(platform: Platform) -> None:
    platform.environment["SYSTEMLOG_LANDER"] = "process"
    token = platform.token("read", "write")
    with platform.serve() as server, server.client(token) as client, server.client(token) as other:
        reader = Reader(other)
        with sending(client) as accepted:
            for _ in range(KILLS):
                with lander(platform):
                    reader.read_until(len(reader.got) + 100)
        with lander(platform):
            reader.read_until(len(accepted))
        assert sorted(reader.got) == sorted(accepted)


def test_a_cursor_outlives_the_server_but_not_the_database(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, postgresql_url: str | None, migrated: Any
) -> None:
    token = platform.token("read", "write")
    with platform.serve() as server, server.client(token) as client:
        reader = Reader(client)
        post(server, token, "before")
    with platform.serve() as server, server.client(token) as client:
        reader.client = client
        post(server, token, "after")
        reader.read_until(2)
        assert reader.got == ["before", "after"]
    folder = tmp_path_factory.mktemp("another")
    with fresh_platform(folder, postgresql_url, migrated) as another:
        another.environment["SECRET_KEY"] = platform.environment["SECRET_KEY"]
        with another.serve() as server, server.client(token) as client:
            post(server, token, "of another database")
            reader.client = client
            assert reader.ask(reader.after)["gap"] is True


def test_a_vacuum_is_a_gap_or_changes_nothing(platform: Platform, postgresql_url: str | None) -> None:
    if postgresql_url:
        pytest.skip("PostgreSQL's VACUUM changes no number")
    token = platform.token("read", "write")
    with platform.serve() as server, server.client(token) as client:
        reader = Reader(client)
        for number in range(20):
            post(server, token, f"{number}")
        reader.read_until(20)
        with contextlib.closing(sqlite3.connect(next(Path(platform.folder).glob("*-logs")), timeout=20)) as database:
            database.execute("DELETE FROM system_logs WHERE message LIKE '1%'")
            database.commit()
            database.execute("VACUUM")
        post(server, token, "after")
        while not (gap := reader.read()) and len(reader.got) < 21:
            pass
        assert gap or reader.got[20:] == ["after"]


def post(server: Server, token: str, message: str) -> None:
    with server.client(token) as client:
        response = client.post(LOGS, json={"message": message, "category": "sent"})
        assert response.status_code == 201, response.content
