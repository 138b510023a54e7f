"""Fixtures of the correlation room: a small project, and what was logged about it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from systemlog.correlation import current
from tests.correlation.project import MIDDLEWARE
from tests.support.servers import PROJECT, Server

Get = Callable[..., HttpResponse]

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

GUNICORN = ["gunicorn", "tests.correlation.serving:wsgi", "--worker-class=gthread", "--threads=4", "--workers=1"]
UVICORN = ["uvicorn", "tests.correlation.serving:asgi", "--log-level=warning"]
DEADLINE_S = 10


@pytest.fixture(autouse=True)
def _project(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.correlation.site"
    settings.MIDDLEWARE = MIDDLEWARE
    settings.LOGGING_CONFIG = None


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def async_client() -> AsyncClient:
    return AsyncClient(raise_request_exception=False)


@pytest.fixture(params=["wsgi", "asgi"])
def get(request: pytest.FixtureRequest, client: Client, async_client: AsyncClient) -> Get:
    """GET through the sync or the async handler."""
    return client.get if request.param == "wsgi" else async_to_sync(async_client.get)


class Recorder(logging.Handler):
    """Keeps each record with the correlation that was current when a handler got it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        correlation = current()
        record.current_id = correlation and correlation.correlation_id
        record.current_user = correlation and correlation.user_id
        self.records.append(record)

    def of(self, logger: str) -> list[logging.LogRecord]:
        return [record for record in self.records if record.name == logger]


@pytest.fixture
def logged() -> Iterator[Recorder]:
    """Everything that is logged, by whatever logger."""
    recorder = Recorder()
    root = logging.getLogger()
    level = root.level
    root.addHandler(recorder)
    root.setLevel(logging.INFO)
    yield recorder
    root.removeHandler(recorder)
    root.setLevel(level)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module", params=["gunicorn", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the small project."""
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    is_wsgi = request.param == "gunicorn"
    arguments = [*GUNICORN, f"--bind=127.0.0.1:{port}"] if is_wsgi else [*UVICORN, f"--port={port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log, clean_exit=0 if is_wsgi else -signal.SIGTERM)
    try:
        server.wait_until_it_answers()
        yield server
        server.stop()
    finally:
        process.kill()
        process.wait()


def raw(server: Server, request: bytes) -> bytes:
    """Send bytes that no client library would send; all that comes back."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))
