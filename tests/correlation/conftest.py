"""Fixtures for the correlation: a small project, and its log records."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from tests.correlation.project import MIDDLEWARE
from tests.support.correlation import Get, Recorder, free_port
from tests.support.servers import PROJECT, Server

GUNICORN = ["gunicorn", "tests.correlation.serving:wsgi", "--worker-class=gthread", "--threads=4", "--workers=1"]
UVICORN = ["uvicorn", "tests.correlation.serving:asgi", "--log-level=warning"]


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
    """Send a GET through Django's WSGI or ASGI handler."""
    return client.get if request.param == "wsgi" else async_to_sync(async_client.get)


@pytest.fixture
def logged() -> Iterator[Recorder]:
    """Record everything that any logger logs."""
    recorder = Recorder()
    root = logging.getLogger()
    level = root.level
    root.addHandler(recorder)
    root.setLevel(logging.INFO)
    yield recorder
    root.removeHandler(recorder)
    root.setLevel(level)


@pytest.fixture(scope="module", params=["gunicorn", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server that runs the small project."""
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
