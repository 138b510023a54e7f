"""A record of a change tells who made it, and in which request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from systemlog.audit import acting_as
from systemlog.correlation import correlated

Told = Callable[..., Any]


def rename(request: HttpRequest) -> HttpResponse:
    """A view that changes something."""
    from tests.audit.shop.models import Tag

    str(request.user)
    Tag.objects.update(name=request.GET["name"])
    return HttpResponse()


async def rename_async(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    from tests.audit.shop.models import Tag

    await request.auser()  # type: ignore[attr-defined]  # of Django's middleware
    await Tag.objects.aupdate(name=request.GET["name"])
    await sync_to_async(Tag.objects.create)(name="in a thread")
    return HttpResponse()


urlpatterns = [path("rename", rename), path("rename-async", rename_async)]


@pytest.fixture
def client() -> Iterator[Client]:
    """Of the views above."""
    with override_settings(ROOT_URLCONF=__name__):
        yield Client()


def whose(told: Told) -> list[tuple[str | None, str | None]]:
    """User and correlation id of the records since the last call."""
    return [(record.user_id, record.correlation_id) for record in told.records()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", ["/rename", "/rename-async"])
def test_a_request_is_told_with_its_user(shop: Any, told: Told, client: Client, url: str) -> None:
    user = User.objects.create_user("ann")
    shop.Tag.objects.create(name="a")
    client.force_login(user)
    told()
    client.get(url, {"name": "b"}, headers={"X-Request-ID": "the-request"})
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
