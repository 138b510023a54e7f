"""Tests of the private APIs of Django, knox and gunicorn on which the platform depends."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import RequestFactory
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker
from knox.models import AuthToken

from ops_platform import compat


@pytest.mark.parametrize("charset", ["latin-1", "rot13", "no-such-codec"])
def test_a_request_is_read_as_utf_8_whatever_its_charset(charset: str) -> None:
    environ = RequestFactory().get("/", {"a": "é"}).environ | {"CONTENT_TYPE": f"text/plain; charset={charset}"}
    request = compat.UTF8WSGIRequest(environ)
    assert request.GET["a"] == "é"
    assert (request.content_type, request.content_params) == ("text/plain", {"charset": charset})


@pytest.mark.django_db
def test_a_migration_that_is_not_recorded_is_pending() -> None:
    assert not compat.has_pending_migrations(connection)
    last = MigrationLoader(connection).graph.leaf_nodes("knox")
    MigrationRecorder(connection).record_unapplied(*last[0])
    assert compat.has_pending_migrations(connection)


@pytest.mark.django_db
def test_a_token_is_stored_by_its_digest() -> None:
    stored, token = AuthToken.objects.create(User.objects.create_user("writer"))
    assert compat.token_digest(token) == stored.digest


def test_a_keyed_digest_depends_on_purpose_and_text() -> None:
    digests = {compat.keyed_digest(purpose, text) for purpose in ("a", "b") for text in ("x", "y")}
    assert len(digests) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


@pytest.fixture
def pair() -> Iterator[tuple[TConn, socket.socket]]:
    """A connection of gunicorn's threaded worker, and its client's end."""
    server, client = socket.socketpair()
    with server, client:
        yield TConn(Config(), server, ("127.0.0.1", 1), ("127.0.0.1", 2)), client


def test_a_connection_is_new_until_its_worker_has_seen_it(pair: tuple[TConn, socket.socket]) -> None:
    connection, _ = pair
    assert compat.is_new(connection)
    connection.init()
    assert not compat.is_new(connection)


def test_the_worker_closes_a_connection_by_the_function_that_was_set(pair: tuple[TConn, socket.socket]) -> None:
    connection, client = pair
    seen: list[bool] = []
    compat.closes_by(connection, lambda *, graceful=False: seen.append(graceful))
    connection.close(graceful=True)
    assert seen == [True]
    compat.closes_itself(connection)
    connection.close()
    assert client.recv(1) == b""


def test_a_body_that_does_not_end_is_discarded_until_the_deadline(pair: tuple[TConn, socket.socket]) -> None:
    connection, client = pair
    connection.init()
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    next(connection.parser)
    assert not compat.discard_body(connection, time.monotonic() + 0.01)


def test_the_worker_waits_for_data_by_a_constant_of_its_module() -> None:
    assert "DEFAULT_WORKER_DATA_TIMEOUT" in ThreadWorker.handle.__code__.co_names


def test_the_worker_stops_accepting() -> None:
    class Accepting:
        enabled = True
        sockets = [socket.create_server(("127.0.0.1", 0))]

        def set_accept_enabled(self, enabled: bool) -> None:
            self.enabled = enabled

    worker = Accepting()
    compat.stop_accepting(worker)
    assert not worker.enabled
    assert worker.sockets[0].fileno() == -1
    assert callable(ThreadWorker.set_accept_enabled)


def test_gunicorns_messages_go_to_the_root_logger_and_no_access_log(caplog: pytest.LogCaptureFixture) -> None:
    class Through(Logger):
        def setup(self, cfg: Any) -> None:
            compat.log_through_root(self, cfg)

    config = Config()
    config.set("accesslog", "-")
    known = logging.getLogger("gunicorn.error")
    before = known.level, known.propagate
    try:
        with caplog.at_level(logging.INFO):
            logger = Through(config)
            logger.info("started")
    finally:
        known.level, known.propagate = before
    # pytest also listens to a logger that did not propagate when the test began, and so may get the record twice.
    once = {id(record): record.getMessage() for record in caplog.records}
    assert list(once.values()) == ["started"]
    assert not logger.access_log_enabled
