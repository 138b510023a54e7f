"""A server that does not answer: a request gives up, everything else waits. `e2e/test_outage` freezes a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path

from ops_platform.handlers import UTF8ASGIHandler, UTF8WSGIHandler

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("config.getoption('db') != 'postgresql'", reason="SQLite has no server"),
]


@pytest.fixture
def own(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseDatabaseWrapper]:
    """A connection of the test's own; requests wait no longer than a moment."""
    monkeypatch.setattr("ops_platform.deadlines.SILENCE_S", 0.2)
    own, other = connection.copy(), connection.copy()
    with own.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    yield own
    own.close()
    with other.cursor() as cursor:  # the server sleeps on, and would be in the way when the test database is dropped
        cursor.execute("SELECT pg_terminate_backend(%s, 10000) FROM pg_stat_activity WHERE pid = %s", [backend] * 2)
    other.close()


@pytest.fixture
def request_under_way() -> Iterator[None]:
    request_started.send(None)
    yield
    request_finished.send(None)


def test_a_request_gives_up_a_statement_without_an_answer(own: BaseDatabaseWrapper, request_under_way: None) -> None:
    with own.cursor() as cursor, pytest.raises(OperationalError, match="has not answered"):
        cursor.execute("SELECT pg_sleep(60)")
    assert not own.is_usable()


def test_a_request_gives_up_copy_without_an_answer(own: BaseDatabaseWrapper, request_under_way: None) -> None:
    with (
        pytest.raises(OperationalError, match="has not answered"),
        own.cursor() as cursor,
        own.wrap_database_errors,
        cursor.copy("COPY (SELECT pg_sleep(60)) TO STDOUT") as copy,
    ):
        list(copy)
    assert not own.is_usable()


@pytest.mark.parametrize("is_async", [False, True], ids=["WSGI", "ASGI"])
def test_a_server_s_request_is_one(own: BaseDatabaseWrapper, settings: Any, is_async: bool) -> None:
    def sleep(request: HttpRequest) -> HttpResponse:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
        return HttpResponse("it waited")

    settings.ROOT_URLCONF = (path("sleep", sleep),)
    settings.MIDDLEWARE = ["systemlog.problems.ProblemMiddleware"]
    own.inc_thread_sharing()
    if is_async:
        said: list[dict[str, Any]] = []
        asyncio.run(_ask(UTF8ASGIHandler(), said))
        status = said[0]["status"]
    else:
        statuses: list[str] = []
        environ: dict[str, Any] = RequestFactory(SERVER_NAME="localhost")._base_environ(PATH_INFO="/sleep")
        for _ in UTF8WSGIHandler()(environ, lambda line, *_: statuses.append(line)):
            pass
        status = int(statuses[0].split()[0])
        request_finished.send(None)
    assert status == 503


async def _ask(application: UTF8ASGIHandler, said: list[dict[str, Any]]) -> None:
    body = asyncio.Queue[dict[str, Any]]()
    body.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "path": "/sleep", "headers": [(b"host", b"localhost")]}
    await application({**scope, "query_string": b"", "server": ("localhost", 80)}, body.get, send)


def test_what_is_no_request_waits(own: BaseDatabaseWrapper) -> None:
    with own.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5)")
    assert own.is_usable()
