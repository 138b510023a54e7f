"""The site of `tests.problems.urls`, with DEBUG off and on, and clients that see what a user sees."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.test import AsyncClient, Client
from django.utils import translation


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[None]:
    """The site that goes wrong, behind Django's middlewares and one that raises."""
    settings.ROOT_URLCONF = "tests.problems.urls"
    settings.MIDDLEWARE = [
        "systemlog.correlation.CorrelationMiddleware",
        "systemlog.problems.ProblemMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "tests.problems.views.Saboteur",
    ]
    settings.ALLOWED_HOSTS = ["testserver"]
    yield
    translation.deactivate()


@pytest.fixture(params=[False, True], ids=["debug-off", "debug-on"])
def debug(request: pytest.FixtureRequest, settings: Any) -> bool:
    """DEBUG, both ways."""
    settings.DEBUG = request.param
    return settings.DEBUG


@pytest.fixture
def client() -> Client:
    """A client that gets the answer to an error, not the error."""
    return Client(raise_request_exception=False)


@pytest.fixture
def async_client() -> AsyncClient:
    """The same, under ASGI."""
    return AsyncClient(raise_request_exception=False)


@pytest.fixture
def signals() -> Iterator[list[Any]]:
    """The requests for which `got_request_exception` was sent."""
    seen: list[Any] = []

    def receive(*, request: Any, **_: Any) -> None:
        seen.append(request)

    got_request_exception.connect(receive)
    yield seen
    got_request_exception.disconnect(receive)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What is logged at WARNING and above."""
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Keep(logging.WARNING)
    loggers = [logging.getLogger(), logging.getLogger("django"), logging.getLogger("django.server")]
    # "django" may propagate or not: a record that reaches two of these is kept once.
    for logger in loggers:
        logger.addHandler(handler)
    yield seen
    for logger in loggers:
        logger.removeHandler(handler)
