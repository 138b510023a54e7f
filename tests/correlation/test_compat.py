"""Tests of the private APIs of Django on which the correlation depends."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from systemlog import compat


@pytest.fixture
def request_() -> HttpRequest:
    """A request that AuthenticationMiddleware has given a lazy user."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    AuthenticationMiddleware(lambda _: HttpResponse())(request)
    return request


def test_a_lazy_user_is_not_loaded(request_: HttpRequest) -> None:
    assert compat.loaded_user(request_) is None
    assert compat.loaded_user(RequestFactory().get("/")) is None


def test_a_user_that_a_view_has_asked_for_is_found(request_: HttpRequest) -> None:
    _ = request_.user.is_authenticated
    assert isinstance(compat.loaded_user(request_), AnonymousUser)


def test_a_user_that_an_async_view_has_asked_for_is_found(request_: HttpRequest) -> None:
    user = async_to_sync(request_.auser)()
    assert compat.loaded_user(request_) is user


def test_a_lazy_user_is_loaded_when_that_is_asked_for(request_: HttpRequest) -> None:
    compat.load_user(request_)
    assert isinstance(compat.loaded_user(request_), AnonymousUser)
    compat.load_user(RequestFactory().get("/"))  # a request without users


@pytest.mark.django_db
def test_each_statement_passes_the_wrapper_once() -> None:
    seen: list[str] = []

    def keep(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    try:
        compat.wrap_statements(connection, keep)
        compat.wrap_statements(connection, keep)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.execute_wrappers.remove(keep)
    assert seen == ["SELECT 1"]


class Counter:
    """A wrapper of a class of its own."""

    calls = 0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        self.calls += 1
        return execute(*arguments)


@pytest.mark.django_db
def test_wrappers_of_a_class_can_be_removed() -> None:
    counter = Counter()
    compat.wrap_statements(connection, counter)
    compat.unwrap_statements(connection, Counter)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert counter.calls == 0
