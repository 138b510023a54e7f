"""Faults that an adversary, a careless client or a hand-written INSERT once found."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction
from django.test import Client

from systemlog.conf import conf
from systemlog.ingest import streams
from systemlog.search import budget
from systemlog.storage import Row, get_storage

pytestmark = pytest.mark.django_db

URL = "/system/logs/"
NOW = datetime.now(UTC)


def store(count: int, **columns: Any) -> None:
    blank = Row(NOW, uuid.uuid4(), "INFO", "general", "", "m", None, None, {}, None, None, None)
    rows = [
        blank._replace(id=uuid.uuid4(), timestamp=NOW - timedelta(seconds=n))._replace(**columns) for n in range(count)
    ]
    get_storage().insert(rows)


def insert(**columns: str) -> None:
    """Insert a row with plain SQL, as a person might."""
    alias = conf().DATABASE
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        marks = ", ".join(["%s"] * len(columns))
        cursor.execute(f"INSERT INTO system_logs ({', '.join(columns)}) VALUES ({marks})", list(columns.values()))


@pytest.mark.parametrize("tick_s", [2.0, 0.6], ids=["in the first slice", "in the second"])
def test_a_search_that_ran_out_of_its_budget_goes_on_by_its_next(client: Client, tick_s: float) -> None:
    store(3)
    store(1, timestamp=NOW - timedelta(days=9))
    with pytest.MonkeyPatch.context() as patch:
        ticks = iter(range(10**6))
        patch.setattr(budget.time, "monotonic", lambda: next(ticks) * tick_s)
        first = client.get(f"{URL}?q=nothing").json()
    assert not first["complete"]
    assert first["searched_until"] < (NOW + timedelta(days=1)).isoformat()
    assert client.get(first["next"]).status_code == 200


@pytest.mark.parametrize(
    "bound",
    ["since=-999999w", "since=0001-01-01T00:00:00Z", "until=5000-01-01T00:00:00Z", "until=9999-12-31T23:59:59Z"],
)
def test_a_bound_far_away_can_be_paged(client: Client, bound: str) -> None:
    store(3)
    first = client.get(f"{URL}?limit=1&{bound}").json()
    assert client.get(first["next"]).status_code == 200


def test_a_relative_since_is_not_held_against_until_again_on_later_pages(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    store(3, timestamp=now - timedelta(seconds=1))
    until = now.isoformat().replace("+00:00", "Z")
    first = client.get(f"{URL}?limit=1&since=-10m&until={until}").json()
    later = now + timedelta(minutes=11)
    monkeypatch.setattr("systemlog.api.views.timezone.now", lambda: later)
    assert client.get(first["next"]).status_code == 200


@pytest.mark.parametrize("name", ["since", "until", "limit", "cursor"])
def test_no_parameter_of_paging_is_given_twice(client: Client, name: str) -> None:
    value = {"limit": "5", "cursor": "x"}.get(name, "-1h")
    response = client.get(f"{URL}?{name}={value}&{name}={value}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["detail"] == "This may be given once."


@pytest.mark.parametrize("text", ["0x" + "1" * 30, "+" + "1" * 31, " " + "1" * 31, "1_" * 15 + "11", "\u0661" * 32])
def test_only_a_uuid_is_an_id(post: Callable[..., Any], text: str) -> None:
    assert post({"message": "m", "id": text, "timestamp": "2020-01-01T00:00:00Z"}).status_code == 400


@pytest.mark.parametrize("context", ['{"n": 1e5000}', '{"n": 1e999}', '{"n": "\\ud800"}', '{"n": %s}' % ("9" * 5000)])
def test_a_context_that_python_cannot_say_breaks_no_page(client: Client, context: str) -> None:
    store(1)
    try:
        insert(message="odd", context=context)
    except DatabaseError:
        return
    page = client.get(URL)
    assert page.status_code == 200
    assert len(page.json()["items"]) == 2


@pytest.mark.skipif("connections[conf().DATABASE].vendor != 'sqlite'", reason="PostgreSQL has a type for it")
@pytest.mark.parametrize("timestamp", ["2026-11-24 01:00:00.123", "2026-11-24T01:00:00Z", "yesterday", "1700000000"])
def test_sqlite_takes_no_timestamp_of_another_shape(client: Client, timestamp: str) -> None:
    with pytest.raises(DatabaseError):
        insert(message="odd", timestamp=timestamp)


def test_a_long_term_is_no_outage(client: Client) -> None:
    store(1)
    assert client.get(URL, {"q": "a" * 50_001}).status_code in (200, 400)


def test_many_small_gzip_members_come_as_few_pieces() -> None:
    member = gzip.compress(b"1", mtime=0)
    pieces = list(streams.decompressed(iter([member * 5000]), 2**20))
    assert len([piece for piece in pieces if piece]) < 10


def test_a_charset_that_is_not_utf_8_changes_no_question(client: Client) -> None:
    response = client.get(f"{URL}?q=%5Cud800", headers={"Content-Type": "application/json; charset=unicode_escape"})
    assert response.status_code in (200, 400), json.loads(response.content)
