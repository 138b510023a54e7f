"""Counts whose time budget is spent: the answer has the newest records, however far back these are."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from systemlog.storage import Row, get_storage
from systemlog.storage.calendar import Span

pytestmark = pytest.mark.django_db

NEWEST = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(days=10)


@pytest.fixture
def rows() -> list[Row]:
    """Many categories over a month, but none in the last ten days."""
    instants = [NEWEST - timedelta(minutes=10 * number) for number in range(4320)]
    rows = [
        Row(at, uuid.uuid4(), "INFO", f"job-{number // 2}", "web", "done", None, None, {}, None, None, None)
        for number, at in enumerate(instants)
    ]
    get_storage().insert(rows)
    return rows


@pytest.fixture
def ask(settings: Any, admin_user: User) -> Callable[..., Any]:
    """Ask an endpoint that has a budget for one slice."""
    client = Client()
    client.force_login(admin_user)
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 0.000_001}
    return lambda path, **query: client.get(f"/system/logs/{path}", query).json()


@pytest.mark.parametrize(
    "filters",
    [{}, {"since": "-60d"}, {"level": "INFO"}, {"category": "job-*"}, {"q": "done"}],
    ids=["no filter", "since", "roll-up", "named", "table"],
)
@pytest.mark.parametrize("fields", [["category"], ["source", "category"]], ids=["one field", "two fields"])
def test_facets_have_the_newest_records_where_the_budget_is_spent(
    rows: list[Row], ask: Callable[..., Any], filters: dict[str, str], fields: list[str]
) -> None:
    found = ask("facets/", field=fields, **filters)
    for facets in found["facets"] if len(fields) > 1 else [found]:
        assert not facets["complete"]
        searched_until = datetime.fromisoformat(facets["searched_until"])
        searched = Counter(getattr(row, facets["field"]) for row in rows if row.timestamp >= searched_until)
        wanted = sorted(searched.items(), key=lambda each: (-each[1], each[0]))
        assert [(each["value"], each["count"]) for each in facets["values"]] == wanted[:200]
        assert facets["values"]


def test_a_histogram_has_the_newest_records_where_the_budget_is_spent(rows: list[Row], ask: Callable[..., Any]) -> None:
    found = ask("histogram/", interval="1d", q="done")
    assert not found["complete"]
    assert sum(bucket["count"] for bucket in found["buckets"])


@pytest.mark.parametrize("filters", [{"source": "none"}, {"q": "nothing"}], ids=["roll-up", "table"])
def test_a_count_that_finds_nothing_says_so(rows: list[Row], ask: Callable[..., Any], filters: dict[str, str]) -> None:
    found = ask("facets/", field="category", **filters)
    assert (found["values"], found["complete"]) == ([], True)


def test_an_hour_that_cannot_be_estimated_is_no_error(ask: Callable[..., Any]) -> None:
    """A part of an hour whose rare categories are counted together, with no time to count it in the table."""
    instants = [NEWEST + timedelta(milliseconds=number) for number in range(400)]
    get_storage().insert(
        [
            Row(at, uuid.uuid4(), "INFO", f"rare-{number}", "web", "m", None, None, {}, None, None, None)
            for number, at in enumerate(instants)
        ]
    )
    get_storage().recount_rollup(Span(NEWEST, NEWEST + timedelta(hours=1)))
    until = (NEWEST + timedelta(minutes=10)).isoformat()
    found = ask("facets/", field="category", category="rare-399", since="-60d", until=until)
    assert found["approximate"] or not found["complete"]
