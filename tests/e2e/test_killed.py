"""gunicorn's master is killed: its workers go, a new server takes over at once, and what was acknowledged is there."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.servers import Platform, Server

pytestmark = [pytest.mark.e2e]

URL = "/system/logs/"
READY = "/system-health/ready"
GONE_S = 60
CLIENTS = 4
RETRY_S = 0.5
POLL_S = 0.05


def workers_of(server: Server) -> list[int]:
    """Their process ids."""
    listed = subprocess.run(["pgrep", "-P", str(server.process.pid)], check=True, capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def is_alive(pid: int) -> bool:
    """Whether this process has not ended; one that has may wait for whoever took it over to notice."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in ("", "Z")


def becomes_true(condition: Callable[[], bool], within_s: float) -> None:
    """Wait for it."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(POLL_S)


@contextlib.contextmanager
def sending(url: str, token: str) -> Iterator[list[str]]:
    """A block in which clients send records one by one and in bulks; gives the messages that were acknowledged."""
    acknowledged: list[str] = []
    stop = threading.Event()

    def send(number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
            while not stop.is_set():
                messages = [uuid.uuid4().hex for _ in range(3 if number % 2 else 1)]
                body = [{"message": message, "category": "sent"} for message in messages]
                try:
                    response = client.post(URL, json=body if number % 2 else body[0])
                except httpx.HTTPError:
                    stop.wait(RETRY_S)
                    continue
                if response.status_code in (201, 202):
                    acknowledged.extend(messages)

    clients = [threading.Thread(target=send, args=[number]) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        for client in clients:
            client.join()


@contextlib.contextmanager
def slow_upload(port: int, token: str) -> Iterator[None]:
    """A block in which a client sends a body, byte by byte: a worker that ends waits for it."""
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut off in the end
            while not stop.wait(RETRY_S):
                connection.sendall(b" ")

    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        head = f"POST {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 10000\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())
        sender = threading.Thread(target=trickle, args=[connection])
        sender.start()
        try:
            yield
        finally:
            stop.set()
            sender.join()


def stored(server: Server, token: str) -> set[str]:
    """The messages of the clients that the server has stored."""
    found, url = set(), f"{URL}?category=sent&limit=2000"
    with server.client(token) as client:
        while url:
            page = client.get(url).json()
            found |= {item["message"] for item in page["items"]}
            url = page["next"]
    return found


def test_a_new_server_is_ready_soon_after_the_master_was_killed_and_nothing_acknowledged_is_lost(
    platform: Platform,
) -> None:
    token = platform.token("read", "write")
    platform.environment["GUNICORN_CMD_ARGS"] = f"--graceful-timeout={GONE_S}"  # on a busy machine all takes longer
    with contextlib.ExitStack() as stack:
        killed = stack.enter_context(platform.serve("--workers=2", clean_exit=-signal.SIGKILL))
        port = int(killed.url.rpartition(":")[2])
        orphans = workers_of(killed)
        with sending(killed.url, token) as acknowledged, slow_upload(port, token):
            becomes_true(lambda: len(acknowledged) > 100, GONE_S)
            killed.process.kill()
            killed.process.wait()
            server = stack.enter_context(platform.serve("--workers=2", wait=False, port=port))
            server.wait_for_line(f"Listening at: {killed.url} ({server.process.pid})")
            with server.client() as client:
                assert client.get(READY).status_code == 200
            assert any(map(is_alive, orphans)), "one of them has a request to finish, and the port is not theirs"
            before = len(acknowledged)
            becomes_true(lambda: len(acknowledged) > before + 100, GONE_S)
        becomes_true(lambda: set(acknowledged) <= stored(server, token), GONE_S)
        becomes_true(lambda: not any(map(is_alive, orphans)), GONE_S)
