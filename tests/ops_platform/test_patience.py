"""How long a connection waits for its client, over real connections."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_platform import patience
from ops_platform.patience import ClientTooSlow, Credit, PatientSocket

LARGE = os.urandom(2**20) * 16
"""More than the kernel keeps for a connection."""


class Crowd:
    """Says whether the worker is crowded."""

    is_there = False

    def __call__(self) -> bool:
        return self.is_there


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """Little patience: half a second, and a tenth in a crowd."""
    monkeypatch.setattr(patience, "GRACE_S", 0.5)
    monkeypatch.setattr(patience, "POLL_S", 0.05)
    return Crowd()


@pytest.fixture
def pair(crowd: Crowd) -> Iterator[tuple[PatientSocket, socket.socket]]:
    """The server's end of a connection, and the client's."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        server = stack.enter_context(PatientSocket.take_over(listener.accept()[0], crowd))
        yield server, client


def read_all(client: socket.socket, wanted: int) -> bytes:
    data = bytearray()
    while len(data) < wanted and (piece := client.recv(2**16)):
        data += piece
    return bytes(data)


@pytest.mark.parametrize("way", ["bytes", "a file"])
def test_a_client_that_reads_gets_everything(
    pair: tuple[PatientSocket, socket.socket], tmp_path: Path, way: str
) -> None:
    server, client = pair
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(read_all(client, len(LARGE))))
    thread.start()
    if way == "bytes":
        server.sendall(LARGE)
    else:
        (tmp_path / "file").write_bytes(b"ignored" + LARGE)
        with (tmp_path / "file").open("rb") as file:
            assert server.sendfile(file, offset=7, count=len(LARGE)) == len(LARGE)
    thread.join(10)
    assert got == [LARGE]
    assert server.gettimeout() is None


def test_a_client_that_reads_nothing_is_given_up(pair: tuple[PatientSocket, socket.socket], tmp_path: Path) -> None:
    server, _ = pair
    (tmp_path / "file").write_bytes(LARGE)
    with (tmp_path / "file").open("rb") as file, pytest.raises(ClientTooSlow):
        server.sendfile(file)
    assert server.is_left_unread
    with pytest.raises(ClientTooSlow):
        server.sendall(LARGE)


def test_a_client_that_sends_nothing_is_given_up_and_may_still_be_answered(
    pair: tuple[PatientSocket, socket.socket],
) -> None:
    server, client = pair
    with pytest.raises(ClientTooSlow):
        server.recv(1)
    server.sendall(b"too slow")
    assert client.recv(100) == b"too slow"
    assert not server.is_left_unread


def test_in_a_crowd_there_is_less_patience(pair: tuple[PatientSocket, socket.socket], crowd: Crowd) -> None:
    server, _ = pair
    server.begin(crowded_grace_s=-1.0)
    assert not crowd.is_there
    crowd.is_there = True
    with pytest.raises(ClientTooSlow):
        server.recv(1)
    assert server._usual.left_s > 0


def test_credit_is_used_up_by_waiting_and_given_back_by_bytes() -> None:
    credit = Credit(grace_s=10, bytes_per_s=100)
    credit.note(4, 0)
    credit.note(0, 200)
    assert credit.left_s == 8
    credit.note(1, 100_000)
    assert credit.left_s == 9, "it is never more than at the beginning"


@pytest.mark.parametrize(
    ("sent", "has_head", "is_whole"),
    [
        pytest.param(b"", False, False, id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", False, False, id="a part of the head"),
        pytest.param(b"\r\n\r\nGET / HTTP/1.1\r\n", False, False, id="empty lines before it"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True, True, id="no body"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-length: 3\r\n\r\nab", True, False, id="a part of the body"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-length: 3\r\n\r\nabc", True, True, id="the whole body"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", True, False, id="chunks"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", True, True, id="all chunks"
        ),
        pytest.param(b"GET /" + b"x" * patience.MAX_HEAD_BYTES, True, False, id="a head that is too long"),
    ],
)
def test_what_has_arrived_is_seen_without_being_taken(
    pair: tuple[PatientSocket, socket.socket], sent: bytes, has_head: bool, is_whole: bool
) -> None:
    server, client = pair
    client.sendall(sent)
    if sent:
        server.recv(1, socket.MSG_PEEK | socket.MSG_WAITALL)
        server.recv(len(sent), socket.MSG_PEEK | socket.MSG_WAITALL)
    assert server.has_whole_head() is has_head
    if len(sent) < patience.MAX_HEAD_BYTES:
        assert server.is_whole is is_whole
    assert server.recv(2**20, socket.MSG_DONTWAIT) == sent if sent else True


def test_gunicorn_has_a_word_for_connections_that_wait_without_a_thread() -> None:
    from gunicorn.workers import gthread

    from ops_platform.compat import deferred

    assert deferred() is gthread._DEFER
