"""Fixtures of the correlation room: a small project, and what was logged about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from systemlog.correlation import current
from tests.correlation.project import MIDDLEWARE

Get = Callable[..., HttpResponse]

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


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
