"""Clients that read nothing of what they asked for: their threads are free again soon."""

from __future__ import annotations

import contextlib
import socket
import time

import httpx
import pytest

from tests.support.servers import Platform, Server

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

BUNDLE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
"""The largest file that anybody may ask for."""

CONNECTIONS = 12
PIPELINED = 40
DEADLINE_S = 45


def ask_and_read_nothing(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, int(port)))
    connection.sendall(f"GET {BUNDLE} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * PIPELINED)
    return connection


def status(client: httpx.Client) -> int:
    with contextlib.suppress(httpx.HTTPError):
        return client.get("/problems", timeout=5).status_code
    return 0


def test_others_are_answered_again_soon(platform: Platform) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(platform.serve("--workers=1", "--threads=6"))
        client = stack.enter_context(server.client())
        assert client.get(BUNDLE).status_code == 200, "there is such a file"
        for _ in range(CONNECTIONS):
            stack.enter_context(ask_and_read_nothing(server))
        deadline = time.monotonic() + DEADLINE_S
        answered = 0
        while answered < 20:  # one may have come through in between
            answered = answered + 1 if status(client) == 200 else 0
            assert time.monotonic() < deadline, "the threads are still taken"
