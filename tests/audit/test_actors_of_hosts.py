"""The actor where other programs stand between: tokens of REST framework, thread pools, poolers of connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, override_settings
from django.urls import path
from psycopg.sql import SQL, Identifier
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ops_platform.tokens import issue
from systemlog.audit import acting_as
from systemlog.correlation import carry, correlated
from tests.support import pgbouncer
from tests.support.audit import forget_changes

Told = Callable[..., Any]
on_postgresql = pytest.mark.skipif("config.getoption('db') != 'postgresql'", reason="is about PostgreSQL")


class Rename(APIView):
    """Renames all tags."""

    def post(self, request: Request) -> Response:
        """Change something in the database."""
        from tests.audit.shop.models import Tag

        Tag.objects.update(name=request.data["name"])
        return Response()


urlpatterns = [path("rename", Rename.as_view())]


def users(told: Told) -> list[str | None]:
    """The users of the records since the last call."""
    return [record.user_id for record in told.records()]  # type: ignore[attr-defined]


@on_postgresql
def test_prepared_and_explained_statements_are_told_with_their_actor(shop: Any, told: Told) -> None:
    shop.Tag.objects.create(name="a")
    told()
    for block in (transaction.atomic, nullcontext):
        with acting_as("ann"), block(), connection.cursor() as cursor:
            assert "shop_tag" in shop.Tag.objects.all().explain(analyze=True)
            cursor.execute("EXPLAIN ANALYZE UPDATE shop_tag SET name = %s", [f"b of {block.__name__}"])
            assert "shop_tag" in cursor.fetchall()[0][0]
            cursor.execute("PREPARE again AS UPDATE shop_tag SET name = 'c' || name")
            cursor.execute("EXECUTE again")
            cursor.execute("DEALLOCATE again")
        assert users(told) == ["ann"] * 2


@on_postgresql
def test_a_statement_in_a_pipeline_is_told_with_its_actor(shop: Any, told: Told) -> None:
    connection.ensure_connection()
    for block in (transaction.atomic, nullcontext):
        with acting_as("ann"), block(), connection.connection.pipeline():
            assert shop.Tag.objects.create(name="a").pk
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["b"], ["c"]])
        assert users(told) == ["ann"] * 3


@override_settings(ROOT_URLCONF=__name__)
def test_a_token_names_its_user(shop: Any, told: Told) -> None:
    token = issue("robot", ["write"])
    shop.Tag.objects.create(name="a")
    told()
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "the-request"}
    assert Client().post("/rename", {"name": "b"}, "application/json", headers=headers).status_code == 200
    (record,) = told.records()  # type: ignore[attr-defined]
    assert (record.user_id, record.correlation_id) == (str(User.objects.get().pk), "the-request")
    assert (
        Client()
        .post("/rename", {"name": "c"}, "application/json", headers={"Authorization": "Bearer none"})
        .status_code
        == 401
    )
    assert told() == []


def test_a_thread_of_a_pool_has_the_correlation_that_is_carried_and_no_other(shop: Any, told: Told) -> None:
    def write(name: str) -> None:
        shop.Tag.objects.create(name=name)
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with correlated("first"):
            pool.submit(carry(write), "a").result()
        with correlated("second"):
            pool.submit(write, "b").result()
        pool.submit(write, "c").result()
    assert [record.correlation_id for record in told.records()] == ["first", None, None]  # type: ignore[attr-defined]


@on_postgresql
def test_a_composed_statement_is_told_with_its_actor(shop: Any, told: Told) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for user in ("ann", "bob"):
            with acting_as(user):
                cursor.execute(SQL("INSERT INTO {} (name) VALUES (%s)").format(Identifier("shop_tag")), [user])
    assert users(told) == ["ann", "bob"]


@on_postgresql
def test_a_block_of_code_that_commits_by_itself_runs(shop: Any, told: Told) -> None:
    with acting_as("ann"), connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN INSERT INTO shop_tag (name) VALUES ('a'); COMMIT; END $$")
    assert users(told) == [None]


@on_postgresql
@pytest.mark.skipif(pgbouncer.PROGRAM is None, reason="pgbouncer is not installed (Debian: apt-get install pgbouncer)")
@pytest.mark.parametrize("end", ["commit", "rollback", "autocommit"])
def test_a_pooler_of_transactions_gives_nobodys_name_to_the_next(shop: Any, told: Told, end: str) -> None:
    given = connection.settings_dict
    host = f"/{given['HOST']}" if given["HOST"].startswith("/") else f"{given['HOST']}:{given['PORT']}"
    with pgbouncer.pooled(f"postgresql://{given['USER']}@{host}/{given['NAME']}") as url:
        pooled: BaseDatabaseWrapper = connection.copy()
        port = int(url.split(":")[-1].split("/")[0])
        pooled.settings_dict = {**given, "HOST": "127.0.0.1", "PORT": port, "OPTIONS": {}}
        with closing(pooled), psycopg.connect(url.replace("postgresql:", "postgres:"), autocommit=True) as other:
            pids = []
            with acting_as("ann"), pooled.cursor() as cursor:
                if end == "autocommit":
                    cursor.execute("INSERT INTO shop_tag (name) VALUES (%s)", ["a"])
                else:
                    pooled.set_autocommit(False)
                    cursor.execute("INSERT INTO shop_tag (name) VALUES (%s)", ["a"])
                    getattr(pooled, end)()
                    pooled.set_autocommit(True)
                cursor.execute("SELECT pg_backend_pid()")
                pids.append(cursor.fetchone()[0])
            other.execute("INSERT INTO shop_tag (name) VALUES ('b')")
            pids += other.execute("SELECT pg_backend_pid()").fetchone() or ()
            with pooled.cursor() as cursor:
                cursor.execute("INSERT INTO shop_tag (name) VALUES (%s)", ["c"])
    assert len(set(pids)) == 1, "the pooler uses one connection for both"
    assert users(told) == ([None, None] if end == "rollback" else ["ann", None, None])
    forget_changes()
