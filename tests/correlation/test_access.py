"""The access log: one record for each finished request."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient, AsyncRequestFactory, Client
from pytest_django.fixtures import Settings

from systemlog.correlation import CorrelationMiddleware, annotate
from tests.correlation import site
from tests.support.correlation import Get, Recorder

Records = Callable[[], list[logging.LogRecord]]


@pytest.fixture
def configure(settings: Settings) -> Callable[..., None]:
    """Turn the access log on, with other settings."""

    def configure(**others: Any) -> None:
        settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ACCESS_LOG": True, **others}

    configure()
    return configure


@pytest.fixture
def records(configure: Callable[..., None], logged: Recorder) -> Records:
    """Return the access records."""
    return lambda: logged.of("systemlog.access")


def test_a_request_leaves_one_record_of_itself(get: Get, records: Records) -> None:
    get("/items/7", headers={"X-Request-ID": "given"})

    [record] = records()
    assert re.fullmatch(r"GET /items/7 200 in \d+ ms", record.getMessage())
    assert (record.levelname, record.action, record.method) == ("INFO", "request", "GET")
    assert (record.route, record.status, record.bytes) == ("items/<int:pk>", 200, 0)
    assert (record.correlation_id, record.trace_id, record.user_id) == ("given", None, None)
    assert 0 < record.duration_ms < 60_000
    assert record.completed


def test_a_server_error_is_a_warning(client: Client, records: Records) -> None:
    client.raise_request_exception = False

    client.get("/fails")

    [record] = records()
    assert record.levelname == "WARNING"
    assert re.fullmatch(r"GET /fails 500 in \d+ ms", record.getMessage())


def test_the_message_has_the_path_escaped_and_cut(get: Get, records: Records) -> None:
    get("/a%0A[CRITICAL]%20forged/" + "x" * 8000)

    message = records()[0].getMessage()
    assert message.startswith("GET /a%0A%5BCRITICAL%5D%20forged/xxx")
    assert len(message) < 600


@pytest.mark.parametrize(
    ("path", "route"),
    [
        pytest.param("/items/7", "items/<int:pk>", id="a path"),
        pytest.param("/old/v1.0/7", "old/v1.0/<pk>/", id="a regular expression"),
    ],
)
def test_the_route_is_as_a_person_writes_it(get: Get, records: Records, path: str, route: str) -> None:
    get(path)

    assert [record.route for record in records()] == [route]


def test_a_handler_finds_the_correlation_while_it_handles_the_record(get: Get, records: Records) -> None:
    get("/seen", headers={"X-Request-ID": "given"})

    assert [record.current_id for record in records()] == ["given"]


def test_the_record_has_what_the_view_adds(get: Get, records: Records) -> None:
    get("/annotates")

    [record] = records()
    assert record.annotations == {"order": 7, "items": 3}
    assert record.bytes == 5


def test_annotating_outside_a_request_does_nothing() -> None:
    annotate(order=7)


def test_the_record_has_the_user(get: Get, records: Records) -> None:
    get("/api", headers={"Authorization": "Token x"})

    assert [record.user_id for record in records()] == ["42"]


@pytest.mark.parametrize(("given", "from_client"), [("given", True), ("not acceptable", False), (None, False)])
def test_the_record_says_whether_the_id_was_the_clients(
    get: Get, records: Records, given: str | None, from_client: bool
) -> None:
    get("/seen", headers={"X-Request-ID": given} if given else {})

    assert [record.id_from_client for record in records()] == [from_client]


def test_a_request_that_no_route_fits_has_none(get: Get, records: Records) -> None:
    get("/nowhere")

    assert [(record.route, record.status) for record in records()] == [(None, 404)]


def test_a_head_request_has_no_bytes(client: Client, records: Records) -> None:
    client.head("/annotates")

    assert [record.bytes for record in records()] == [0]


def test_a_file_counts_with_its_length(client: Client, records: Records) -> None:
    response = client.get("/file")
    size = len(response.getvalue())

    assert [record.bytes for record in records()] == [size]


def test_a_stream_is_recorded_when_its_body_is_over(client: Client, records: Records) -> None:
    response = client.get("/streams", headers={"X-Request-ID": "given"})
    assert records() == []
    response.getvalue()

    assert [(r.bytes, r.completed, r.current_id) for r in records()] == [(18, True, "given")]


def test_an_async_stream_is_recorded_when_its_body_is_over(async_client: AsyncClient, records: Records) -> None:
    async def ask() -> None:
        response = await async_client.get("/async-streams", headers={"X-Request-ID": "given"})
        assert [chunk async for chunk in response]

    asyncio.run(ask())

    assert [(r.bytes, r.completed, r.current_id) for r in records()] == [(18, True, "given")]


def test_a_stream_that_fails_is_recorded_as_not_completed(client: Client, records: Records) -> None:
    with pytest.raises(LookupError):
        client.get("/streams", {"fail": 1}, headers={"X-Request-ID": "given"}).getvalue()

    assert [(record.bytes, record.completed) for record in records()] == [(6, False)]


@pytest.mark.django_db  # closing a response closes idle database connections
def test_a_stream_that_is_closed_early_is_recorded_once(client: Client, records: Records) -> None:
    response = client.get("/streams", headers={"X-Request-ID": "given"})
    next(iter(response))
    response.close()
    response.close()

    assert [(record.bytes, record.completed) for record in records()] == [(6, False)]


def test_a_client_that_goes_away_is_recorded_as_499(records: Records) -> None:
    async def go_away() -> None:
        answer = CorrelationMiddleware(site.hangs)(AsyncRequestFactory().get("/"))
        async with asyncio.timeout(0.01):
            await answer

    with pytest.raises(TimeoutError):
        asyncio.run(go_away())

    assert [(record.status, record.completed) for record in records()] == [(499, False)]


NEVER = {"sample": 0}


@pytest.mark.parametrize(
    ("rules", "recorded"),
    [
        pytest.param([], True, id="no rule"),
        pytest.param([NEVER], False, id="nothing"),
        pytest.param([{"sample": 1}], True, id="everything"),
        pytest.param([{"route": "items/*", **NEVER}], False, id="this route"),
        pytest.param([{"route": "other/*", **NEVER}], True, id="another route"),
        pytest.param([{"path": "/items/*", **NEVER}], False, id="this path"),
        pytest.param([{"path": "/items", **NEVER}], True, id="another path"),
        pytest.param([{"status": 200, **NEVER}], False, id="this status"),
        pytest.param([{"status": "2xx", **NEVER}], False, id="this class of status"),
        pytest.param([{"status": "4xx", **NEVER}], True, id="another class of status"),
        pytest.param([{"faster_than": 60, **NEVER}], False, id="fast ones"),
        pytest.param([{"faster_than": 0, **NEVER}], True, id="not faster"),
        pytest.param([{"route": "items/*", "status": 404, **NEVER}], True, id="not both"),
        pytest.param([{"route": "items/*", "sample": 1}, NEVER], True, id="the first that fits decides"),
    ],
)
def test_the_rules_say_which_requests_are_recorded(
    client: Client, configure: Callable[..., None], records: Records, rules: list[dict[str, Any]], recorded: bool
) -> None:
    configure(ACCESS_RULES=rules)
    client.get("/items/7")

    assert len(records()) == recorded


def test_errors_are_always_recorded(get: Get, configure: Callable[..., None], records: Records) -> None:
    configure(ACCESS_RULES=[NEVER])
    get("/fails")

    assert [record.status for record in records()] == [500]


def test_slow_requests_are_always_recorded(get: Get, configure: Callable[..., None], records: Records) -> None:
    configure(ACCESS_RULES=[NEVER], ACCESS_SLOW_S=0.0)
    get("/seen")

    assert len(records()) == 1


def test_a_sample_rate_records_about_that_share(
    client: Client, configure: Callable[..., None], records: Records
) -> None:
    configure(ACCESS_RULES=[{"sample": 0.5}])
    for _ in range(200):
        client.get("/items/7")

    assert 50 < len(records()) < 150


def test_without_the_setting_nothing_is_recorded(get: Get, logged: Recorder) -> None:
    get("/seen")

    assert logged.of("systemlog.access") == []
