"""Hostile header values, sent through Django's handlers and through real servers.

The suite sends a few thousand. `HEADER_VALUES=100000 pytest tests/correlation/test_hostile_headers.py` sends that many
in each way, which takes a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.correlation import is_acceptable
from tests.support.correlation import DEADLINE_S, UUID
from tests.support.servers import Server

VALUES_OF_A_TEXT = 100

VALID_HEADERS = re.compile(r"[\x20-\x7e]*").fullmatch

# One example gives many values: a value takes microseconds, but an example of Hypothesis takes far longer.
texts = st.one_of(
    st.text(st.characters(max_codepoint=0xFF), min_size=100, max_size=400),
    st.text("aZ09._~+/=@:-\r\n\t ,;", min_size=100, max_size=400),
    st.text("0123456789abcdef-=,", min_size=100, max_size=400),
)
hostile = given(text=texts, length=st.integers(0, 250))


def tries(values: int) -> settings:
    return settings(
        max_examples=int(os.environ.get("HEADER_VALUES", values)) // VALUES_OF_A_TEXT,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def values(text: str, length: int) -> Iterator[str]:
    for start in range(VALUES_OF_A_TEXT):
        yield text[start : start + length]


def check(value: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Assert that the response is complete and has one id, which is the given value only if that is acceptable."""
    assert status == 200
    assert all(VALID_HEADERS(name) and VALID_HEADERS(text) for name, text in headers)
    [sent] = [text for name, text in headers if name.lower() == "x-request-id"]
    if is_acceptable(value):
        assert sent == value
    else:
        assert re.fullmatch(UUID, sent)
        assert len(value) < 8 or value.encode("latin-1") not in body


@pytest.mark.django_db  # no query is expected, but the beginning of a request checks the open connections
@tries(3000)
@hostile
def test_no_value_gets_through_djangos_wsgi_handler(text: str, length: int) -> None:
    handler = WSGIHandler()
    for value in values(text, length):
        started: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/goes-out",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
            "HTTP_X_REQUEST_ID": value,
            "HTTP_TRACEPARENT": value,
            "HTTP_TRACESTATE": value,
        }
        response = handler(environ, lambda *head, started=started: started.extend(head))
        check(value, int(started[0].split()[0]), started[1], b"".join(response))


@tries(500)
@hostile
def test_no_value_gets_through_djangos_asgi_handler(text: str, length: int) -> None:
    handler = ASGIHandler()

    async def ask(value: str) -> None:
        sent: list[dict[str, Any]] = []
        received = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            return next(received, None) or await asyncio.Future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        encoded = value.encode("latin-1")
        names = (b"x-request-id", b"traceparent", b"tracestate")
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/goes-out",
            "query_string": b"",
            "headers": [(b"host", b"testserver"), *((name, encoded) for name in names)],
        }
        await handler(scope, receive, send)
        headers = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in sent[0]["headers"]]
        check(value, sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:]))

    async def ask_all() -> None:
        for value in values(text, length):
            await ask(value)

    asyncio.run(ask_all())


class Connection:
    """A keep-alive connection to a server, which reconnects after the server has closed it."""

    def __init__(self, server: Server) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.address = (host, int(port))
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.address, timeout=DEADLINE_S)
        self.stream = self.socket.makefile("rb")

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def ask(self, value: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        self.socket.sendall(
            b"GET /goes-out HTTP/1.1\r\nHost: testserver\r\nX-Request-ID: "
            + b"\r\nTraceparent: ".join([value, value])
            + b"\r\n\r\n"
        )
        status = int(self.stream.readline().split()[1])
        headers = []
        while line := self.stream.readline().strip(b"\r\n").decode("latin-1"):
            name, _, text = line.partition(": ")
            headers.append((name, text))
        length = [int(text) for name, text in headers if name.lower() == "content-length"]
        body = self.stream.read(length[0]) if length else self.stream.read()
        if status != 200 or ("connection", "close") in [(name.lower(), text.lower()) for name, text in headers]:
            self.close()
            self.open()
        return status, headers, body


@pytest.mark.e2e
@tries(500)
@hostile
def test_no_value_gets_through_a_server(server: Server, text: str, length: int) -> None:
    connection = Connection(server)
    try:
        for value in values(text, length):
            # These characters would end the header, and the rest would be another header.
            value = re.sub(r"[\r\n\0]", "", value)  # noqa: PLW2901  (as a header can carry it)
            status, headers, body = connection.ask(value.encode("latin-1"))
            if status != 400:  # the server's own response: it refuses such a byte
                check(value.strip(" \t"), status, headers, body)
    finally:
        connection.close()
