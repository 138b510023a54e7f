"""Django views with limits of their own."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from systemlog.limits import limited
from systemlog.limits.policies import PolicyMistake
from systemlog.problems.testing import assert_problem
from tests.support.limits import Limit


@pytest.fixture(autouse=True)
def _views(settings: Any, limit: Limit) -> None:
    settings.ROOT_URLCONF = "tests.limits.views"


@pytest.fixture(params=["wsgi", "asgi"])
def asking(request: pytest.FixtureRequest, client: Client) -> Any:
    """A client of the sync or the async handler."""
    return client if request.param == "wsgi" else AsyncClient()


def get(asking: Any, path: str, **more: Any) -> Any:
    return asking.get(path, **more) if isinstance(asking, Client) else async_to_sync(asking.get)(path, **more)


@pytest.mark.parametrize("path", ["/by-address", "/by-address-async"])
def test_a_view_is_limited_by_address(asking: Any, path: str) -> None:
    answers = [get(asking, path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_problem(answers[2], status=429, type="too-many-requests")
    assert [answer.headers["RateLimit"].partition(";")[2] for answer in answers] == ["r=1;t=30", "r=0;t=30", "r=0;t=30"]
    assert answers[2].headers["Retry-After"] == "30"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/by-user", "/by-user-async"])
def test_a_view_is_limited_by_user_and_nobody_is_not(asking: Any, path: str) -> None:
    assert [get(asking, path).status_code for _ in range(3)] == [200, 200, 200]
    asking.force_login(User.objects.create_user("alice"))

    assert [get(asking, path).status_code for _ in range(2)] == [200, 429]


def test_a_view_is_limited_by_what_a_function_says(client: Client) -> None:
    def ask(agent: str) -> int:
        return client.get("/by-agent", headers={"User-Agent": agent}).status_code

    assert [ask("a"), ask("a"), ask("b")] == [200, 429, 200]


def test_the_headers_are_there_without_the_middleware_too(client: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Limit" not in name]

    assert client.get("/by-address").headers["RateLimit"] == '"export";r=1;t=30'


def test_the_middleware_and_the_view_are_told_together(client: Client, limit: Limit) -> None:
    limit({"name": "ip", "by": "ip", "quota": 100, "window": 60})

    response = client.get("/by-address")

    assert response.headers["RateLimit-Policy"] == '"ip";q=100;w=60, "export";q=2;w=60'
    assert response.headers["RateLimit"] == '"export";r=1;t=30'


@pytest.mark.parametrize("rate", ["", "5", "5/", "0/1m", "5/0s", "-5/1m", "5/1y", "five/1m"])
def test_a_rate_that_is_none_is_told_where_it_stands(rate: str) -> None:
    with pytest.raises(PolicyMistake):
        limited("name", rate)
