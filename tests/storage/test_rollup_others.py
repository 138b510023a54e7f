"""With many different categories and sources, the roll-up and the facets stay small, and the records are found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from systemlog.conf import conf
from systemlog.models import SystemLogRollup
from systemlog.records.ids import mint_id
from systemlog.storage import Row, get_storage, rollup
from systemlog.storage.calendar import Span
from tests.support.databases import on_citus

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(on_citus(), reason="a cluster counts by itself")]

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
MANY = 2000


def rows(count: int, **columns: Callable[[int], str]) -> list[Row]:
    def one(number: int) -> Row:
        at = HOUR + timedelta(milliseconds=number)
        row = Row(at, mint_id(at), "INFO", "shop", "web", "m", None, None, {}, None, None, None)
        return row._replace(**{name: make(number) for name, make in columns.items()})

    return [one(number) for number in range(count)]


def compact() -> None:
    while get_storage().compact_rollup():
        pass


@pytest.fixture
def ask(admin_user: User) -> Callable[..., Any]:
    client = Client()
    client.force_login(admin_user)
    return lambda path, **query: client.get(f"/system/logs/{path}", query).json()


@pytest.fixture(params=["category", "source"])
def field(request: pytest.FixtureRequest) -> str:
    """Store many records with different values in a column, beside 50 records with one common value."""
    field: str = request.param
    get_storage().insert([*rows(50), *rows(MANY, **{field: lambda number: f"flood-{number}"})])
    compact()
    return field


def test_the_rollup_has_some_hundred_rows_an_hour(field: str) -> None:
    assert SystemLogRollup.objects.count() <= 310


def test_the_facets_have_the_frequent_values_and_the_others_together(field: str, ask: Callable[..., Any]) -> None:
    facets = ask("facets/", field=field)
    assert facets["values"][0] == {"value": "shop" if field == "category" else "web", "count": 50}
    assert sum(each["count"] for each in facets["values"]) + facets["other"] == MANY + 50
    assert facets["complete"]
    assert rollup.OTHER not in [each["value"] for each in facets["values"]]


def test_a_record_keeps_its_value_and_is_found_and_counted(field: str, ask: Callable[..., Any]) -> None:
    for number in (0, MANY // 2, MANY - 1):
        page = ask("", **{field: f"flood-{number}"})
        assert [item[field] for item in page["items"]] == [f"flood-{number}"]
        assert (page["total"], page["total_relation"]) == (1, "eq")
    buckets = ask("histogram/", interval="1h", **{field: f"flood-{MANY - 1}"})["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == 1
    levels = ask("facets/", field="level", **{field: f"flood-{MANY - 1}"})
    assert levels["values"] == [{"value": "INFO", "count": 1}]


def test_a_flood_that_goes_on_is_counted_right(field: str, ask: Callable[..., Any]) -> None:
    for _ in range(2):
        get_storage().insert(rows(MANY, **{field: lambda number: f"flood-{number}"}))
        compact()
    assert sum(hour.count for hour in SystemLogRollup.objects.all()) == 3 * MANY + 50
    assert SystemLogRollup.objects.count() <= 310


def test_what_is_deleted_is_taken_away_from_the_others(field: str) -> None:
    from django.db import connections

    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("DELETE FROM system_logs WHERE category LIKE 'flood-%%' OR source LIKE 'flood-%%'", [])
    compact()
    assert sum(hour.count for hour in SystemLogRollup.objects.all()) == 50


def test_a_recount_counts_together_what_is_many(field: str) -> None:
    get_storage().recount_rollup(Span(HOUR, HOUR + timedelta(hours=1)))
    assert SystemLogRollup.objects.count() <= 310
    assert sum(hour.count for hour in SystemLogRollup.objects.all()) == MANY + 50
