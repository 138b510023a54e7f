"""The user of a request, found without a query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from pytest_django import DjangoAssertNumQueries

from systemlog.correlation import Correlation, CorrelationMiddleware, current, current_ids
from tests.support.correlation import Get, Recorder


def correlation_of(view: Callable[[HttpRequest], object]) -> Correlation:
    """Return the correlation that was current at the end of `view`, detached because its request is over."""
    kept = []

    def answer(request: HttpRequest) -> HttpResponse:
        view(request)
        kept.append(current())
        return HttpResponse()

    CorrelationMiddleware(answer)(RequestFactory().get("/"))
    assert kept[0] is not None
    return kept[0]


def test_the_three_ids_are_known_in_one_call() -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        request.user = User(pk=7)
        seen.append(current_ids())
        return HttpResponse()

    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-ID": "given", "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    CorrelationMiddleware(view)(RequestFactory().get("/", headers=headers))

    assert seen == [("given", trace_id, "7")]


def test_a_user_that_drf_finds_late_by_token_is_known(get: Get) -> None:
    assert get("/api", headers={"Authorization": "Token x"}).json() == {"user_id": "42"}


def test_without_a_token_nobody_is_known(get: Get) -> None:
    assert get("/api").json() == {"user_id": None}


def test_what_handlers_ask_after_the_view_has_the_user(get: Get, logged: Recorder) -> None:
    get("/api", headers={"Authorization": "Token x"})

    assert [record.current_user for record in logged.of("site")] == ["42"]


def test_a_lazy_user_is_not_woken() -> None:
    def set_user(request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: pytest.fail("the user was loaded"))

    assert correlation_of(set_user).user_id is None


@pytest.mark.django_db
def test_a_session_user_is_known_once_the_view_has_looked(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    user = User.objects.create(username="reader")

    def look(request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: User.objects.get(pk=user.pk))
        assert request.user.username == "reader"

    with django_assert_num_queries(1):
        correlation = correlation_of(look)
        assert correlation.user_id == str(user.pk)


def test_an_async_views_own_way_to_the_user_counts() -> None:
    def look(request: HttpRequest) -> None:
        request.user = SimpleLazyObject(lambda: pytest.fail("the user was loaded"))
        request._acached_user = User(pk=7)

    assert correlation_of(look).user_id == "7"


def test_the_anonymous_user_is_nobody() -> None:
    def set_user(request: HttpRequest) -> None:
        request.user = AnonymousUser()

    assert correlation_of(set_user).user_id is None


def test_the_user_is_known_to_what_outlives_the_request() -> None:
    async def later() -> str | None:
        await asyncio.sleep(0)
        correlation = current()
        return correlation and correlation.user_id

    async def run() -> str | None:
        tasks = []

        async def view(request: HttpRequest) -> HttpResponse:
            tasks.append(asyncio.create_task(later()))
            request.user = User(pk=7)
            return HttpResponse()

        await CorrelationMiddleware(view)(RequestFactory().get("/"))
        return await tasks[0]

    assert asyncio.run(run()) == "7"
