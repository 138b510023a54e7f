"""The middleware under WSGI and ASGI: header, request and context variable."""

from __future__ import annotations

import asyncio
import re

import pytest
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.test.utils import override_settings
from pytest_django.fixtures import Settings

from systemlog.correlation import CorrelationMiddleware, get_correlation_id
from tests.correlation import site
from tests.support.correlation import UUID, Get


@pytest.mark.parametrize("path", ["/seen", "/async-seen"])
def test_an_acceptable_id_of_the_client_is_taken(get: Get, path: str) -> None:
    response = get(path, headers={"X-Request-ID": "Ab1._~+/=@:-"})

    assert response["X-Request-ID"] == "Ab1._~+/=@:-"
    assert response.json()["context"] == response.json()["request"] == "Ab1._~+/=@:-"


@pytest.mark.parametrize("headers", [{}, {"X-Request-ID": ""}, {"X-Request-ID": "a b"}, {"X-Request-ID": "a,b"}])
def test_without_one_a_new_uuid_is_made(get: Get, headers: dict[str, str]) -> None:
    response = get("/seen", headers=headers)

    assert re.fullmatch(UUID, response["X-Request-ID"])
    assert response.json()["context"] == response["X-Request-ID"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/refuses", 403),
        ("/suspects", 400),
        ("/fails", 500),
        ("/async-fails", 500),
        ("/streams", 200),
        ("/file", 200),
        ("/sets-the-header", 200),
    ],
)
@pytest.mark.django_db  # closing a response closes idle database connections
def test_every_response_has_the_header_once(get: Get, path: str, status: int) -> None:
    response = get(path, headers={"X-Request-ID": "given"})

    assert response.status_code == status
    assert [value for name, value in response.items() if name.lower() == "x-request-id"] == ["given"]
    response.close()


def test_a_disallowed_host_gets_the_header(get: Get) -> None:
    with override_settings(ALLOWED_HOSTS=["example.com"]):
        response = get("/seen/", headers={"X-Request-ID": "given", "Host": "evil.test"})

    assert (response.status_code, response["X-Request-ID"]) == (400, "given")


@pytest.mark.parametrize(
    ("exposed", "expected"),
    [
        (None, "X-Request-ID"),
        ("X-Total", "X-Total, X-Request-ID"),
        ("x-request-id", "x-request-id"),
        ("*", "*"),
    ],
)
def test_scripts_of_other_origins_may_read_the_header(get: Get, exposed: str | None, expected: str) -> None:
    response = get("/cross-origin", {"exposed": exposed} if exposed else {})

    assert response["Access-Control-Expose-Headers"] == expected


def test_a_response_for_one_origin_exposes_nothing(get: Get) -> None:
    assert "Access-Control-Expose-Headers" not in get("/seen")


def test_the_context_is_put_back_after_the_request(client: Client) -> None:
    client.get("/seen")

    assert get_correlation_id() is None


def test_the_context_is_put_back_after_an_exception() -> None:
    with pytest.raises(RuntimeError, match="failed"):
        CorrelationMiddleware(site.fails)(RequestFactory().get("/"))

    assert get_correlation_id() is None


def test_a_nested_request_gives_the_outer_id_back(client: Client) -> None:
    response = client.get("/nests", headers={"X-Request-ID": "the-outer-one"})

    assert response.json() == {"inner": "the-inner-one", "outer": "the-outer-one"}


def test_the_id_crosses_threads_of_async_code(get: Get) -> None:
    response = get("/through-threads", headers={"X-Request-ID": "given"})

    assert set(response.json().values()) == {"given"}


def test_carry_takes_the_id_into_a_thread_pool(client: Client) -> None:
    response = client.get("/through-a-pool", headers={"X-Request-ID": "given"})

    assert response.json() == {"carried": ["given", "given"], "bare": None}


def test_a_task_that_outlives_its_request_keeps_the_id(async_client: AsyncClient) -> None:
    async def outlive() -> list[str | None]:
        for name in ("first", "second"):
            await async_client.get("/leaves-a-task", {"name": name}, headers={"X-Request-ID": name})
        for name in ("first", "second"):
            site.released.pop(name).set()
        return [await site.kept_tasks.pop(name) for name in ("first", "second")]

    assert asyncio.run(outlive()) == ["first", "second"]


def test_concurrent_requests_do_not_see_each_other(async_client: AsyncClient) -> None:
    async def ask(number: int) -> bool:
        response = await async_client.get("/async-seen", headers={"X-Request-ID": f"number-{number}"})
        return bool(response.json()["context"] == f"number-{number}")

    async def ask_many() -> list[bool]:
        return await asyncio.gather(*map(ask, range(50)))

    assert all(asyncio.run(ask_many()))


def test_a_cancelled_request_puts_the_context_back(async_client: AsyncClient) -> None:
    async def cancel() -> str | None:
        middleware = CorrelationMiddleware(site.hangs)
        answer = middleware(AsyncRequestFactory().get("/"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await answer
        return get_correlation_id()

    assert asyncio.run(cancel()) is None


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_neither_handler_has_to_adapt_it(handler: type, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.DEBUG = True
    settings.MIDDLEWARE = ["systemlog.correlation.CorrelationMiddleware"]
    with caplog.at_level("DEBUG", "django.request"):
        handler()

    assert "adapted" not in caplog.text


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_scopes_that_are_no_requests_get_djangos_own_answer(kind: str) -> None:
    async def refuse() -> None:
        with pytest.raises(ValueError, match=f"not {kind}"):
            await ASGIHandler()({"type": kind}, None, None)
        assert get_correlation_id() is None

    asyncio.run(refuse())


def test_it_is_a_coroutine_function_only_around_one() -> None:
    assert iscoroutinefunction(CorrelationMiddleware(site.async_seen))
    assert not iscoroutinefunction(CorrelationMiddleware(site.seen))


def test_a_refused_id_is_nowhere_in_response_or_log(get: Get, logged: object, caplog: pytest.LogCaptureFixture) -> None:
    response = get("/nowhere", headers={"X-Request-ID": "evil id"})

    assert "evil" not in str(response.headers) + response.text + caplog.text


@pytest.mark.parametrize("given", ["evil id", ""])
def test_a_refused_id_is_replaced_in_the_requests_headers(get: Get, given: str) -> None:
    response = get("/headers", headers={"X-Request-ID": given})

    assert response.json()["header"] == response["X-Request-ID"]


def test_a_debug_page_does_not_show_a_refused_id(get: Get, settings: Settings) -> None:
    settings.DEBUG = True
    response = get("/fails", headers={"X-Request-ID": "evil id"})

    assert "RuntimeError" in response.text
    assert "evil id" not in response.text


def test_a_request_is_freed_with_its_response() -> None:
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    import gc
    import weakref

    gc.disable()
    try:
        CorrelationMiddleware(view)(RequestFactory().get("/"))
        alive = weakref.ref(seen.pop())
        assert alive() is None
    finally:
        gc.enable()
