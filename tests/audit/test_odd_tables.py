"""Views, tables that are not there or have no key, and tables that Citus distributes: a check says what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

Told = Callable[..., Any]

AUDIT = {"shop.Tag": {}, "shop.Summary": {}}
on_postgresql = pytest.mark.skipif("config.getoption('db') != 'postgresql'", reason="is about PostgreSQL")


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def audited(*statements: str, undo: str) -> Iterator[list[Any]]:
    """Tags and summaries are audited when the statements have run: the warnings before `migrate`, and after it."""
    execute(*statements)
    try:
        with override_settings(SYSTEMLOG={**settings.SYSTEMLOG, "AUDIT": AUDIT}):
            call_command("migrate", verbosity=0)
            yield [
                each for each in run_checks(databases=["default"]) if each.id and each.id.startswith("systemlog.W11")
            ]
    finally:
        execute(undo)


def test_a_view_is_refused_and_what_it_reads_is_recorded(shop: Any, told: Told) -> None:
    view = "CREATE VIEW shop_summary AS SELECT id AS number, 1 AS count FROM shop_tag"
    with audited(view, undo="DROP VIEW shop_summary") as (warning,):
        assert warning.id == "systemlog.W111"
        assert "is a view" in warning.msg
        shop.Tag.objects.create(name="a")
        assert len(told()) == 1


def test_an_unmanaged_model_without_a_table_is_warned_of(shop: Any, told: Told) -> None:
    with audited(undo="SELECT 1") as (warning,):
        assert warning.id == "systemlog.W111"
        assert "'shop_summary' is not there" in warning.msg


def test_an_unmanaged_model_with_a_table_is_audited(shop: Any, told: Told) -> None:
    table = "CREATE TABLE shop_summary (number integer PRIMARY KEY, count integer)"
    with audited(table, undo="DROP TABLE shop_summary") as warnings:
        assert warnings == []
        shop.Summary.objects.create(number=7)
        assert told() == [("create", "shop.summary:7", {"number": [None, 7], "count": [None, 1]})]


def test_a_table_without_a_key_is_audited_and_warned_of(shop: Any, told: Told) -> None:
    table = "CREATE TABLE shop_summary (number integer, count integer)"
    with audited(table, undo="DROP TABLE shop_summary") as (warning,):
        assert warning.id == "systemlog.W112"
        shop.Summary.objects.bulk_create([shop.Summary(number=7), shop.Summary(number=8)])
        execute("INSERT INTO shop_summary VALUES (7, 2)")
        told()
        shop.Summary.objects.update(count=3)
        assert sorted((subject, changes["count"]) for _, subject, changes in told()) == [
            ("shop.summary:7", [1, 3]),
            ("shop.summary:7", [2, 3]),
            ("shop.summary:8", [1, 3]),
        ]


@on_postgresql
def test_a_table_that_citus_distributes_is_refused_and_local_ones_are_audited(shop: Any, told: Told) -> None:
    distributed = (
        "CREATE TABLE shop_summary (number integer PRIMARY KEY, count integer)",
        "CREATE TABLE pg_dist_partition (logicalrelid regclass)",  # Citus's catalogue
        "INSERT INTO pg_dist_partition VALUES ('shop_summary')",
    )
    with audited(*distributed, undo="DROP TABLE shop_summary, pg_dist_partition") as (warning,):
        assert warning.id == "systemlog.W111"
        assert "distributed by Citus" in warning.msg
        shop.Tag.objects.create(name="a")
        shop.Summary.objects.create(number=7)
        assert [subject.partition(":")[0] for _, subject, _ in told()] == ["shop.tag"]


@on_postgresql
def test_a_partitioned_table_is_audited_whatever_partition_a_row_moves_to(shop: Any, told: Told) -> None:
    parts = (
        "CREATE TABLE shop_summary (number int, count int, PRIMARY KEY (number, count)) PARTITION BY LIST (count)",
        "CREATE TABLE shop_summary_one PARTITION OF shop_summary FOR VALUES IN (1)",
        "CREATE TABLE shop_summary_two PARTITION OF shop_summary FOR VALUES IN (2)",
    )
    with audited(*parts, undo="DROP TABLE shop_summary") as warnings:
        assert warnings == []
        shop.Summary.objects.bulk_create([shop.Summary(number=7), shop.Summary(number=8)])
        told()
        shop.Summary.objects.update(count=2)
        assert told() == [
            ("update", "shop.summary:7", {"count": [1, 2]}),
            ("update", "shop.summary:8", {"count": [1, 2]}),
        ]


@on_postgresql
@pytest.mark.parametrize(
    "whole",
    [
        (
            "CREATE TABLE shop_whole (number int, count int) PARTITION BY LIST (count)",
            "CREATE TABLE shop_summary PARTITION OF shop_whole (PRIMARY KEY (number)) FOR VALUES IN (1)",
        ),
        (
            "CREATE TABLE shop_whole (number int, count int)",
            "CREATE TABLE shop_summary (PRIMARY KEY (number)) INHERITS (shop_whole)",
        ),
    ],
    ids=["partition", "inheritance"],
)
def test_a_part_of_another_table_is_audited_where_it_is_named_and_warned_of(
    shop: Any, told: Told, whole: tuple[str, ...]
) -> None:
    with audited(*whole, undo="DROP TABLE shop_whole CASCADE") as (warning,):
        assert warning.id == "systemlog.W111"
        assert "is part of another table" in warning.msg
        shop.Summary.objects.create(number=7)
        execute("UPDATE shop_whole SET number = 8")
        assert [each[:2] for each in told()] == [("create", "shop.summary:7")]


@on_postgresql
def test_a_role_without_rights_on_the_outbox_writes_and_is_recorded(shop: Any, told: Told) -> None:
    role = f"clerk_of_{connection.settings_dict['NAME']}"
    execute(
        f"CREATE ROLE {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON shop_tag TO {role}",
        f"GRANT USAGE ON SEQUENCE shop_tag_id_seq TO {role}",
        f"SET ROLE {role}",
    )
    try:
        shop.Tag.objects.create(name="a")
        shop.Tag.objects.update(name="b")
        execute("DELETE FROM shop_tag")
        with pytest.raises(Exception, match="permission denied"):
            execute("SELECT * FROM system_audit_outbox")
    finally:
        execute("RESET ROLE", f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert [category for category, _, _ in told()] == ["create", "update", "delete"]
