"""Fixtures: the site of `tests.problems.urls`, DEBUG off and on, and clients that return error responses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.test import AsyncClient, Client
from django.utils import translation
from rest_framework import VERSION

LIMITS_JSON = tuple(map(int, VERSION.split(".")[:2])) >= (3, 18)
"""Whether DRF applies DATA_UPLOAD_MAX_MEMORY_SIZE to JSON, and refuses codecs that are not for text."""

OF_THESE_LIMITS = (
    "JSON in a codec of bytes]",
    "a body beyond the limit]",
    "charset=bz2-malformed-body-400]",
    "::test_a_body_beyond_the_limit_is_too_large[debug-on]",
    "::test_a_body_beyond_the_limit_is_too_large[debug-off]",
    "::TestChunkedBodies::test_the_same_limit_holds",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of limits that DRF has since 3.18."""
    for item in items:
        if not LIMITS_JSON and (item.nodeid.endswith(OF_THESE_LIMITS) or OF_THESE_LIMITS[-1] in item.nodeid):
            item.add_marker(pytest.mark.skip(reason=f"DRF {VERSION} reads JSON of any size, in any codec"))


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[None]:
    """Configure the failing site, with Django's middlewares and one that raises exceptions."""
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
    """Run the test with DEBUG off and on."""
    settings.DEBUG = request.param
    return settings.DEBUG


@pytest.fixture
def client() -> Client:
    """A client that returns the response to an exception and does not raise it."""
    return Client(raise_request_exception=False)


@pytest.fixture
def async_client() -> AsyncClient:
    """A client under ASGI that returns the response to an exception and does not raise it."""
    return AsyncClient(raise_request_exception=False)


@pytest.fixture
def signals() -> Iterator[list[Any]]:
    """A list of the requests for which `got_request_exception` was sent."""
    seen: list[Any] = []

    def receive(*, request: Any, **_: Any) -> None:
        seen.append(request)

    got_request_exception.connect(receive)
    yield seen
    got_request_exception.disconnect(receive)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """A list of the records at WARNING and above, without those of probe threads, which may outlive their test."""
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "health.probes":
                seen.append(record)

    handler = Keep(logging.WARNING)
    loggers = [logging.getLogger(), logging.getLogger("django"), logging.getLogger("django.server")]
    # The logger "django" may propagate, so that a record may reach two of these loggers.
    for logger in loggers:
        logger.addHandler(handler)
    yield seen
    for logger in loggers:
        logger.removeHandler(handler)
