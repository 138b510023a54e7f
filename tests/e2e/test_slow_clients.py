"""Many clients that send or read byte by byte: probes notice nothing, and others are answered within seconds."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.servers import Migrated, Platform, Server, fresh_platform

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

BUNDLE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
CLIENTS = 40
PIPELINED = 20
PAUSE_S = 0.1
READ_BYTES = 256
SOON_S = 60
AT_ONCE_S = 4


def reading(request: str) -> Callable[[socket.socket], None]:
    """Asks, and reads a little at a time."""

    def begin(connection: socket.socket) -> None:
        connection.sendall(request.replace("\n", "\r\n").encode() * PIPELINED)

    return begin


def sending(beginning: str) -> Callable[[socket.socket], None]:
    """Sends the beginning of a request; the rest follows byte by byte."""

    def begin(connection: socket.socket) -> None:
        connection.sendall(beginning.replace("\n", "\r\n").encode())

    return begin


@contextlib.contextmanager
def slow_clients(server: Server, begin: Callable[[socket.socket], None], rest: bytes = b"") -> Iterator[None]:
    """So many connections that trickle, each of which comes back when it is ended."""
    host, port = server.url.removeprefix("http://").split(":")
    over = threading.Event()

    def connect() -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        begin(connection)
        connection.setblocking(False)
        return connection

    def trickle() -> None:
        connections = [connect() for _ in range(CLIENTS)]
        while not over.wait(PAUSE_S):
            for number, connection in enumerate(connections):
                try:
                    if rest:
                        connection.send(rest)
                    with contextlib.suppress(BlockingIOError):
                        if not connection.recv(READ_BYTES):
                            raise ConnectionResetError
                except OSError:
                    connection.close()
                    with contextlib.suppress(OSError):
                        connections[number] = connect()
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def status(client: httpx.Client, path: str) -> int:
    with contextlib.suppress(httpx.HTTPError):
        return client.get(path, timeout=AT_ONCE_S).status_code
    return 0


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, postgresql_url: str | None, migrated: Migrated
) -> Iterator[Platform]:
    """A platform for this module."""
    with fresh_platform(tmp_path_factory.mktemp("slow"), postgresql_url, migrated) as platform:
        yield platform


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    """Its server, with one worker."""
    with platform.serve("--workers=1") as server:
        yield server


@pytest.mark.parametrize("kind", ["static files", "exports", "headers", "bodies"])
def test_slow_clients_hold_up_nobody_for_long(platform: Platform, server: Server, kind: str) -> None:
    token = platform.token("read", "write")
    authorized = f"Host: 127.0.0.1\nAuthorization: Bearer {token}\n"
    begin, rest = {
        "static files": (reading(f"GET {BUNDLE} HTTP/1.1\nHost: 127.0.0.1\n\n"), b""),
        "exports": (reading(f"GET /system/logs/export/ HTTP/1.1\n{authorized}\n"), b""),
        "headers": (sending(f"GET /problems HTTP/1.1\n{authorized}X-Slow: "), b"x"),
        "bodies": (
            sending(
                f"POST /system/logs/ HTTP/1.1\n{authorized}Content-Type: application/json\nContent-Length: 5000\n\n"
            ),
            b" ",
        ),
    }[kind]
    with server.client(token) as client:
        if kind == "exports":
            bulk = "".join(json.dumps({"message": "x" * 60_000}) + "\n" for _ in range(100))
            for _ in range(2):
                client.post("/system/logs/", content=bulk, headers={"Content-Type": "application/x-ndjson"})
            while client.get("/system/logs/?limit=1").json()["total"] < 200:
                pass
        with slow_clients(server, begin, rest), server.client() as other:
            began = time.monotonic()
            answered: list[float] = []
            while len(answered) < 5:
                assert status(other, "/system-health/live") == 200
                if status(other, "/problems") == 200:
                    answered.append(time.monotonic() - began)
                assert time.monotonic() - began < SOON_S, f"answered after {answered} s alone"
