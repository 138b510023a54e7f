"""A bulk whose client closes the connection: the rest is not read, because no client waits for the answer."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

NDJSON = "application/x-ndjson"
RECORDS = 20_000
BODY = gzip.compress(b'{"message": "m", "category": "leaving"}\n' * RECORDS)


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection: the server's and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def send(client: Client, journal: Callable[..., Path], connection: tuple[socket.socket, socket.socket]) -> Any:
    """A function that posts the bulk on that connection."""
    journal()

    def send(body: bytes = BODY, content_type: str = NDJSON) -> Any:
        environ: dict[str, Any] = {"gunicorn.socket": connection[0]}
        headers = {"Content-Encoding": "gzip"}
        return client.post("/system/logs/", body, content_type, headers=headers, **environ)

    return send


def test_a_bulk_ends_when_its_client_has_left(
    send: Callable[..., Any], connection: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systemlog.ingest.streams.PATIENCE_S", 0)
    connection[1].close()
    answer = send()
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/broken-body")
    assert answer.json()["accepted"] < RECORDS


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b"\n" * 2_000_000, b"[" + b"1," * 500_000 + b"1]"])
def test_so_does_a_body_without_a_record(
    send: Callable[..., Any],
    connection: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
) -> None:
    monkeypatch.setattr("systemlog.ingest.streams.PATIENCE_S", 0)
    connection[1].close()
    answer = send(gzip.compress(body), "application/json" if body.startswith(b"[") else NDJSON)
    assert (answer.status_code, answer.json()["detail"]) == (400, "The client has left.")


@pytest.mark.parametrize("sent", [b"", b"GET /next HTTP/1.1"], ids=["waits", "has sent its next request"])
def test_a_bulk_goes_on_while_its_client_is_there(
    send: Callable[..., Any],
    connection: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    sent: bytes,
) -> None:
    monkeypatch.setattr("systemlog.ingest.streams.PATIENCE_S", 0)
    connection[1].sendall(sent)
    answer = send()
    assert (answer.status_code, answer.json()["accepted"]) == (202, RECORDS)
    assert connection[0].recv(100, socket.MSG_DONTWAIT) == sent if sent else True


def test_a_client_that_closes_its_side_alone_hears_the_answer_to_a_quick_bulk(
    send: Callable[..., Any], connection: tuple[socket.socket, socket.socket]
) -> None:
    connection[1].shutdown(socket.SHUT_WR)
    assert send(gzip.compress(b'{"message": "m"}\n')).status_code == 202
