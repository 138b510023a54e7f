"""Streaming bodies, which are produced after the middleware has returned."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import resolve
from pytest_django.fixtures import Settings

from systemlog.correlation import CorrelationMiddleware, correlated, current, get_correlation_id
from tests.correlation import site
from tests.support.correlation import Recorder

TIMEOUT_S = 5
GIVEN = {"X-Request-ID": "given"}


async def read(response: StreamingHttpResponse) -> bytes:
    return b"".join([chunk async for chunk in response])


def test_the_id_is_there_while_the_body_is_produced(client: Client) -> None:
    response = client.get("/streams", headers=GIVEN)

    assert response.getvalue() == b"given\n" * 3
    assert get_correlation_id() is None


def test_route_and_user_are_known_while_the_body_is_produced() -> None:
    def chunks() -> Iterator[str]:
        correlation = current()
        yield f"{correlation and correlation.route} {correlation and correlation.user_id}"

    def view(request: HttpRequest) -> StreamingHttpResponse:
        request.resolver_match = resolve("/streams")
        request.user = User(pk=7)
        return StreamingHttpResponse(chunks())

    response = CorrelationMiddleware(view)(RequestFactory().get("/"))

    assert response.getvalue() == b"streams 7"


def test_the_id_is_there_while_an_async_body_is_produced(async_client: AsyncClient) -> None:
    async def ask() -> bytes:
        return await read(await async_client.get("/async-streams", headers=GIVEN))

    assert asyncio.run(ask()) == b"given\n" * 3


def test_an_error_in_the_body_is_raised_again(client: Client) -> None:
    response = client.get("/streams", {"fail": 1})

    with pytest.raises(LookupError, match="in the body"):
        response.getvalue()
    assert get_correlation_id() is None


def test_an_error_in_an_async_body_is_raised_again(async_client: AsyncClient) -> None:
    async def ask() -> None:
        response = await async_client.get("/async-streams", {"fail": 1})
        with pytest.raises(LookupError, match="in the body"):
            await read(response)
        assert get_correlation_id() is None

    asyncio.run(ask())


def test_two_bodies_produced_by_turns_keep_their_own_ids() -> None:
    middleware = CorrelationMiddleware(site.streams)
    first, second = (
        iter(middleware(RequestFactory().get("/", headers={"X-Request-ID": name}))) for name in ("first", "second")
    )

    assert [next(body) for body in (first, second, first, second)] == [b"first\n", b"second\n"] * 2


def test_a_body_produced_in_another_correlation_gives_that_one_back(client: Client) -> None:
    response = client.get("/streams", headers=GIVEN)
    with correlated("the outer one"):
        response.getvalue()
        outer = get_correlation_id()

    assert outer != "given"


@pytest.mark.django_db
def test_closing_an_unfinished_body_runs_its_end_with_the_id(client: Client, logged: Recorder) -> None:
    response = client.get("/streams", headers=GIVEN)
    next(iter(response))
    response.close()

    assert [record.current_id for record in logged.of("site")] == ["given"]


def test_an_async_body_that_a_client_stops_reading_ends_with_its_id(logged: Recorder) -> None:
    received = iter([{"type": "http.request", "body": b""}])

    async def ask_and_leave() -> None:
        gone = asyncio.Event()
        sent = []

        async def receive() -> dict[str, object]:
            if message := next(received, None):
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)
            if len(sent) == 3:
                gone.set()
                await asyncio.Future()  # the buffers of the connection are full

        await ASGIHandler()(
            {
                "type": "http",
                "method": "GET",
                "path": "/streams-for-ever",
                "query_string": b"",
                "headers": [(b"host", b"testserver"), (b"x-request-id", b"given")],
            },
            receive,
            send,
        )

    asyncio.run(asyncio.wait_for(ask_and_leave(), TIMEOUT_S))

    assert [record.current_id for record in logged.of("site")] == ["given"]


def test_an_async_body_that_is_let_go_of_ends_with_its_id(logged: Recorder, settings: Settings) -> None:
    async def chunks() -> AsyncIterator[str]:
        try:
            while True:
                yield "more"
        finally:
            logging.getLogger("let go").info("the body is over")

    async def view(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(chunks())

    async def ask_and_leave() -> None:
        response = await CorrelationMiddleware(view)(RequestFactory().get("/", headers=GIVEN))
        async for _ in response:
            break
        del response
        while not logged.of("systemlog.access"):  # the event loop has closed the generators
            await asyncio.sleep(0)

    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ACCESS_LOG": True}
    asyncio.run(asyncio.wait_for(ask_and_leave(), TIMEOUT_S))

    assert [record.current_id for record in logged.of("let go")] == ["given"]
    assert [(record.bytes, record.completed) for record in logged.of("systemlog.access")] == [(4, False)]


def test_a_server_that_never_closes_leaves_nothing_behind(logged: Recorder, settings: Settings) -> None:
    def chunks() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            logging.getLogger("let go").info("the body is over")

    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ACCESS_LOG": True}
    middleware = CorrelationMiddleware(lambda request: StreamingHttpResponse(chunks()))
    response = middleware(RequestFactory().get("/", headers=GIVEN))
    next(iter(response))
    assert get_correlation_id() is None
    assert logged.records == []
    del response

    assert [record.current_id for record in logged.of("let go")] == ["given"]
    assert [(record.bytes, record.completed) for record in logged.of("systemlog.access")] == [(4, False)]


def test_a_file_is_left_to_the_servers_sendfile() -> None:
    file = io.BytesIO(b"content")
    response = CorrelationMiddleware(lambda request: FileResponse(file))(RequestFactory().get("/"))

    assert response.file_to_stream is file


def test_a_body_from_a_file_of_the_projects_own_kind_has_the_id() -> None:
    class Report:
        def __init__(self) -> None:
            self.lines = iter([b"first\n", b""])

        def read(self, size: int) -> bytes:
            logging.getLogger("report").info("reading")
            assert get_correlation_id() == "given"
            return next(self.lines)

        def close(self) -> None:
            """Close nothing."""

    response = CorrelationMiddleware(lambda request: FileResponse(Report()))(RequestFactory().get("/", headers=GIVEN))

    assert response.getvalue() == b"first\n"


def test_a_mixed_body_survives_the_sync_handler() -> None:
    async def chunks() -> AsyncIterator[str]:
        yield f"{get_correlation_id()}"

    def view(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(chunks())

    response = CorrelationMiddleware(view)(RequestFactory().get("/", headers=GIVEN))
    with pytest.warns(Warning, match="must consume asynchronous iterators"):
        body = b"".join(response)

    assert body == b"given"


def test_an_empty_body_stays_empty() -> None:
    def nothing() -> Iterator[str]:
        return
        yield

    response = CorrelationMiddleware(lambda request: StreamingHttpResponse(nothing()))(RequestFactory().get("/"))

    assert response.getvalue() == b""
