"""Clients that stall, and the probes that must not notice."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.support.postgresql import running_server
from tests.support.servers import Platform, Server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

AT_ONCE_S = 4
"""Less than the patience with uploads that stall, which is 5 s."""
STALLED = 12


@contextlib.contextmanager
def stalled(server: Server, beginning: str) -> Iterator[list[socket.socket]]:
    """Connections on which only the beginning of a request is sent."""
    host, port = server.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(STALLED)]
        for connection in connections:
            connection.sendall(beginning.replace("\n", "\r\n").encode())
        yield connections


def upload(token: str) -> str:
    return (
        f"POST /system/logs/ HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {token}\n"
        'Content-Type: application/json\nContent-Length: 5000\n\n{"message": '
    )


@pytest.fixture(scope="module")
def small(shared_platform: Platform) -> Iterator[Server]:
    """A server that has few threads, all of which a test may take away for a time."""
    with shared_platform.serve("--workers=1", "--threads=4") as server:
        yield server


def test_uploads_that_stall_leave_a_thread_for_the_probes(shared_platform, small):
    token = shared_platform.token("write")
    with stalled(small, upload(token)) as uploads, small.client() as client:
        refused = uploads[-1].recv(4096).decode()
        assert refused.startswith("HTTP/1.1 503 Service Unavailable\r\n")
        assert "\r\nRetry-After: 1\r\n" in refused
        for _ in range(5):
            assert client.get("/system-health/live", timeout=AT_ONCE_S).status_code == 200
            assert client.get("/system-health/ready", timeout=AT_ONCE_S).status_code == 200
        assert client.get("/docs", timeout=AT_ONCE_S).status_code == 503
    with small.client(token) as client:
        assert eventually(lambda: client.post("/system/logs/", json={"message": "again"}).status_code == 201)


@pytest.mark.any_database
@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param("", id="nothing sent"),
        pytest.param("GET /nowhere HTTP/1.0\n\n", id="the other end left open"),
        pytest.param(upload("unknown"), id="a body that is refused before it is read"),
        pytest.param("GET /system-health/live HTTP/1.1\nHost: x\nContent-Length: 9\n\n", id="a probe with a body"),
    ],
)
def test_connections_that_stall_do_not_hold_up_the_probes(small, beginning):
    with stalled(small, beginning), small.client() as client:
        for _ in range(5):
            assert client.get("/system-health/live", timeout=AT_ONCE_S).status_code == 200


@pytest.fixture
def frozen(new_platform: Platform, pytestconfig: pytest.Config) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """The platform on a PostgreSQL of its own; gives what freezes it for a time."""
    if pytestconfig.getoption("db") != "postgresql":
        pytest.skip("a database that freezes is PostgreSQL")
    with running_server() as postgresql:
        new_platform.environment["DATABASE_URL"] = postgresql.url()

        @contextlib.contextmanager
        def freeze() -> Iterator[None]:
            os.kill(postgresql.pid, signal.SIGSTOP)
            try:
                yield
            finally:
                os.kill(postgresql.pid, signal.SIGCONT)

        yield freeze


def test_scrapes_that_look_a_user_up_in_a_frozen_database_hold_up_no_others(new_platform, frozen):
    of_a_user = "GET /system-health/metrics HTTP/1.1\nHost: x\nCookie: sessionid=of-nobody-at-all\n\n"
    with (
        new_platform.serve("--workers=1", "--threads=4") as server,
        server.client() as client,
        frozen(),
        stalled(server, of_a_user),
    ):
        for _ in range(5):
            assert client.get("/system-health/live").status_code == 200
            assert client.get("/system-health/metrics").status_code == 200
        ready = client.get("/system-health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "maintenance")
