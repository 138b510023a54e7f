"""`Expect: 100-continue` (RFC 9110, section 10.1.1): the final status at once, or the body is asked for."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.support.servers import Platform, Server

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODY = json.dumps([{"message": "asked for"}]).encode()
AT_ONCE_S = 3
"""Much less than what a server would wait for a body that does not come."""


@contextlib.contextmanager
def announced(server: Server, token: str | None, *headers: str, path: str = "/system/logs/") -> Iterator[socket.socket]:
    """A connection on which a POST was begun whose body is kept back."""
    host, port = server.url.removeprefix("http://").split(":")
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Expect: 100-continue", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    with socket.create_connection((host, int(port)), timeout=AT_ONCE_S) as connection:
        connection.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
        yield connection


def response(connection: socket.socket) -> bytes:
    """All of the next response."""
    received = b""
    while not (head := re.match(rb"(.*?)\r\n\r\n", received, re.DOTALL)):
        received += connection.recv(1)
    length = re.search(rb"(?i)\ncontent-length: (\d+)", head[1])
    missing = int(length[1]) if length else 0
    while missing > 0:
        received += (piece := connection.recv(missing))
        missing -= len(piece)
    return received


@pytest.mark.parametrize(
    ("can", "headers", "status"),
    [
        pytest.param(["write"], ["Content-Length: 20000000"], 413, id="a body that is too large"),
        pytest.param([], ["Content-Length: 20000000"], 401, id="no token"),
        pytest.param([], ["Content-Length: 2"], 401, id="no token and a small body"),
        pytest.param([], ["Transfer-Encoding: chunked"], 401, id="no token and a body of unknown length"),
        pytest.param(["read"], ["Content-Length: 2"], 403, id="a token that may not write"),
        pytest.param(["write"], ["Content-Length: 2", "Content-Encoding: br"], 415, id="an encoding that is not taken"),
    ],
)
def test_who_is_refused_is_told_at_once_and_sends_nothing(
    shared_platform: Platform, shared_server: Server, can: list[str], headers: list[str], status: int
) -> None:
    token = shared_platform.token(*can) if can else None
    with announced(shared_server, token, *headers) as connection:
        answer = response(connection)

        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"application/problem+json" in answer
        assert b"connection: close" in answer.lower(), "nobody can know whether the body will come"
        assert connection.recv(1) == b""


@pytest.mark.parametrize("length", ["known", "unknown"])
def test_a_body_is_asked_for_once_and_the_connection_goes_on(
    shared_platform: Platform, shared_server: Server, length: str
) -> None:
    if length == "known":
        header, sent = f"Content-Length: {len(BODY)}", BODY
    else:
        header, sent = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    with announced(shared_server, shared_platform.token("write"), header) as connection:
        assert response(connection) == CONTINUE
        connection.sendall(sent)
        assert response(connection).startswith(b"HTTP/1.1 202 ")
        connection.sendall(b"GET /system-health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert response(connection).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_does_not_wait_hears_its_refusal(shared_server: Server) -> None:
    with announced(shared_server, None, "Content-Length: 200000") as connection:
        connection.sendall(b" " * 200_000)
        assert response(connection).startswith(b"HTTP/1.1 401 ")
