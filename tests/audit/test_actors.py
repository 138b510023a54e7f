"""A record of a change tells who made it, and in which request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from systemlog.audit import acting_as
from systemlog.correlation import carry, correlated

Told = Callable[..., Any]


def rename(request: HttpRequest) -> HttpResponse:
    """A view that changes something."""
    from tests.audit.shop.models import Tag

    if "asks" in request.GET:
        str(request.user)
    Tag.objects.update(name=request.GET["name"])
    return HttpResponse()


async def rename_async(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    from tests.audit.shop.models import Tag

    if "asks" in request.GET:
        await request.auser()  # type: ignore[attr-defined]  # of Django's middleware
    await Tag.objects.aupdate(name=request.GET["name"])
    await sync_to_async(Tag.objects.create)(name="in a thread")
    return HttpResponse()


@transaction.non_atomic_requests
def rename_by_hand(request: HttpRequest) -> HttpResponse:
    """A view that commits by hand."""
    transaction.set_autocommit(False)
    try:
        rename(request)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    return HttpResponse()


def rename_user(request: HttpRequest) -> HttpResponse:
    """A view that changes a table that is not audited."""
    User.objects.update(first_name=request.GET["name"])
    return HttpResponse()


urlpatterns = [
    path("rename", rename),
    path("rename-by-hand", rename_by_hand),
    path("rename-user", rename_user),
    path("rename-async", rename_async),
]


@pytest.fixture
def client() -> Iterator[Client]:
    """Of the views above."""
    with override_settings(ROOT_URLCONF=__name__):
        yield Client()


def whose(told: Told) -> list[tuple[str | None, str | None]]:
    """User and correlation id of the records since the last call."""
    return [(record.user_id, record.correlation_id) for record in told.records()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", ["/rename", "/rename-by-hand", "/rename-async"])
@pytest.mark.parametrize("asks", [{"asks": "for the user"}, {}], ids=["asks", "does not ask"])
@pytest.mark.parametrize("atomic", [False, True])
def test_a_request_is_told_with_its_user(
    shop: Any,
    told: Told,
    client: Client,
    url: str,
    asks: dict[str, str],
    atomic: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = User.objects.create_user("ann")
    shop.Tag.objects.create(name="a")
    client.force_login(user)
    told()
    # Django refuses async views in a transaction.
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic and "async" not in url)
    client.get(url, {"name": "b", **asks}, headers={"X-Request-ID": "the-request"})
    assert set(whose(told)) == {(str(user.pk), "the-request")}
    shop.Tag.objects.update(name="c")
    assert set(whose(told)) == {(None, None)}


def test_a_script_says_who_acts(shop: Any, told: Told) -> None:
    with acting_as("cron"), correlated("the-run"):
        shop.Tag.objects.create(name="a")
    with acting_as(User(pk=7)):
        shop.Tag.objects.create(name="b")
    assert whose(told) == [("cron", "the-run"), ("7", None)]


def test_nobodys_name_stays_for_what_comes_next_in_a_transaction(shop: Any, told: Told) -> None:
    with transaction.atomic():
        with acting_as("ann"):
            shop.Tag.objects.create(name="a")
        shop.Tag.objects.create(name="b")
        with acting_as("bob"):
            shop.Tag.objects.bulk_create([shop.Tag(name="c"), shop.Tag(name="d")])
    shop.Tag.objects.create(name="e")
    assert [user for user, _ in whose(told)] == ["ann", None, "bob", "bob", None]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_statement_with_many_parameters_is_told_with_its_actor(shop: Any, told: Told, atomic: bool) -> None:
    with acting_as('ann\'s 100% "name" \\'), connection.cursor() as cursor:
        if atomic:
            with transaction.atomic():
                cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["50%"], ["b"]])
        else:
            cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["50%"], ["b"]])
            cursor.execute("INSERT INTO shop_tag (name) VALUES ('c')")
            cursor.execute("  /* why */ UPDATE shop_tag SET name = %s WHERE name = %s", ["x%", "c"])
            assert cursor.rowcount == 1
    assert {user for user, _ in whose(told)} == {'ann\'s 100% "name" \\'}


def test_what_a_statement_gives_back_is_its_own(shop: Any, told: Told) -> None:
    with acting_as("ann"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_tag (name) VALUES (%s) RETURNING name", ["a"])
        assert cursor.fetchall() == [("a",)]
        cursor.execute("WITH n AS (SELECT 1 AS x) SELECT x FROM n")
        assert cursor.fetchall() == [(1,)]
        assert shop.Tag.objects.create(name="b").pk
        assert shop.Tag.objects.filter(name="b").delete()[0] == 1


def test_tasks_of_one_thread_keep_their_names_apart(shop: Any, told: Told) -> None:
    async def change(name: str) -> None:
        with acting_as(name):
            await asyncio.sleep(0)
            await shop.Tag.objects.acreate(name=name)

    async def all_of_them() -> None:
        await asyncio.gather(*(change(name) for name in "abc"))
        await sync_to_async(connections.close_all)()

    asyncio.run(all_of_them())
    assert {(record.user_id, record.context["changes"]["name"][1]) for record in told.records()} == {  # type: ignore[attr-defined]
        ("a", "a"), ("b", "b"), ("c", "c"),
    }  # fmt: skip


def test_nobody_is_asked_for_in_a_request_that_changes_nothing_audited(
    shop: Any, client: Client, django_assert_num_queries: Any
) -> None:
    client.force_login(User.objects.create_user("ann"))
    with django_assert_num_queries(1):
        client.get("/rename-user", {"name": "b"})
    with django_assert_num_queries(3):  # the session and the user are loaded
        client.get("/rename", {"name": "b"})


@pytest.mark.parametrize("url", ["/rename", "/rename-by-hand"])
def test_a_session_that_cannot_be_read_fails_no_write(
    shop: Any, told: Told, client: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(User.objects.create_user("ann"))
    shop.Tag.objects.create(name="a")
    told()
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE auth_user RENAME TO auth_user_away")
        assert client.get(url, {"name": "b"}).status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE auth_user_away RENAME TO auth_user")
    assert [user for user, _ in whose(told)] == [None]


def test_a_user_without_a_key_is_nobody(shop: Any, told: Told) -> None:
    for nobody in (AnonymousUser(), User(username="not saved"), None):
        with acting_as(nobody):
            shop.Tag.objects.create(name="a")
    assert [user for user, _ in whose(told)] == [None] * 3


def test_a_pool_has_the_user_who_acts(shop: Any, told: Told) -> None:
    def work(name: str) -> None:
        shop.Tag.objects.create(name=name)
        connection.close()

    with ThreadPoolExecutor(1) as pool, acting_as("ann"):
        list(pool.map(carry(work), "ab"))
        pool.submit(connections.close_all).result()
    assert [user for user, _ in whose(told)] == ["ann", "ann"]
