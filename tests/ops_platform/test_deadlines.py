"""A server that does not answer: a request gives up, everything else waits. `e2e/test_outage` freezes a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

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


def test_what_is_no_request_waits(own: BaseDatabaseWrapper) -> None:
    with own.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5)")
    assert own.is_usable()
