"""GET of records: filters, pages, totals, and parameters with bad values."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.models import SystemLog
from systemlog.search.parsing.cursors import BadCursor, Cursor
from systemlog.search.parsing.rules import EMPTY, NOT_A_LEVEL, NOT_A_TIME, NUL, TOO_MANY_TERMS
from systemlog.search.position import Position
from systemlog.storage import Row, get_storage

pytestmark = pytest.mark.django_db

URL = "/system/logs/"
NOW = datetime.now(UTC)


def store(*records: dict[str, Any]) -> None:
    rows = []
    for number, columns in enumerate(records):
        timestamp = columns.get("timestamp", NOW - timedelta(seconds=number))
        blank = Row(timestamp, uuid.uuid4(), "INFO", "general", "", "m", None, None, {}, None, None, None)
        rows.append(blank._replace(**columns))
    get_storage().insert(rows)


@pytest.fixture
def ask(client: Client) -> Callable[[str], Any]:
    def send(query: str) -> Any:
        response = client.get(f"{URL}?{query}")
        assert response.status_code == 200, response.content
        return response.json()

    return send


@pytest.fixture
def logs(db: None) -> None:
    store(
        {"message": "m0", "level": "DEBUG", "category": "a"},
        {"message": "m1", "level": "INFO", "category": "b", "correlation_id": "c-1", "source": "web"},
        {"message": "m2", "level": "WARNING", "category": "a", "user_id": "7", "trace_id": "t" * 32},
        {"message": "m3", "level": "ERROR", "category": "c", "correlation_id": "c-1", "subject": "shop.order:7"},
        {"message": "m4 Disk FULL on sda", "level": "CRITICAL", "category": "b", "context": {"disk": {"free": 0}}},
        {"message": "m5 disk fine", "context": {"disk.free": "0", "tags": ["x"], "ok": True}},
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "012345"),
        ("level=error", "3"),
        ("level=ERROR&level=critical", "34"),
        ("min_level=warning", "234"),
        ("min_level=DEBUG", "012345"),
        ("category=a", "02"),
        ("category=a&category=c", "023"),
        ("correlation_id=c-1", "13"),
        ("correlation_id=c-1&level=INFO", "1"),
        ("user_id=7", "2"),
        ("trace_id=" + "t" * 32, "2"),
        ("source=web", "1"),
        ("subject=shop.order:7", "3"),
        ("q=disk", "45"),
        ("q=full+DISK", "4"),
        ("q=%25", ""),
        ("context.disk.free=0", "45"),
        ("context.ok=true", "5"),
        ("context.ok=1", ""),
        ("context.tags=[%22x%22]", "5"),
        ("context.disk={%22free%22:0}", "4"),
        ("context.nope=0", ""),
        ("since=-1h", "012345"),
        ("until=-1h", ""),
        ("since=-999999w", "012345"),
        ("limit=2000", "012345"),
    ],
)
def test_each_filter_narrows_the_search(logs: None, ask: Callable[[str], Any], query: str, found: str) -> None:
    page = ask(query)
    assert "".join(item["message"][1] for item in page["items"]) == found
    assert (page["total"], page["total_relation"], page["complete"]) == (len(found), "eq", True)


def test_times_are_inclusive_and_a_plus_that_became_a_space_is_a_plus(ask: Callable[[str], Any]) -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    store(*({"timestamp": at + timedelta(seconds=n), "message": str(n)} for n in range(4)))
    for since, until in (
        ("2026-01-01T12:00:01Z", "2026-01-01T12:00:02Z"),
        ("2026-01-01T14:00:01+02:00", "2026-01-01T14:00:02 02:00"),
    ):
        page = ask(f"since={since}&until={quote(until)}")
        assert [item["message"] for item in page["items"]] == ["2", "1"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("level=NOTICE", {"level"}),
        ("level=", {"level"}),
        ("correlation_id=", {"correlation_id"}),
        ("category=a&category=", {"category"}),
        ("user_id=1&user_id=2", {"user_id"}),
        ("min_level=x", {"min_level"}),
        ("limit=0", {"limit"}),
        ("limit=1e9", {"limit"}),
        ("limit=2001", {"limit"}),
        ("limit=-1", {"limit"}),
        ("limit=%D9%A1", {"limit"}),
        ("limit=", {"limit"}),
        ("cursor=", {"cursor"}),
        ("cursor=x", {"cursor"}),
        ("cursor=" + "W" * 5000, {"cursor"}),
        ("cursor=bnVsbA", {"cursor"}),
        ("since=yesterday", {"since"}),
        ("since=2026-01-01", {"since"}),
        ("until=-5q", {"until"}),
        ("since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", {"since"}),
        ("since=-1h&until=-2h", {"since"}),
        ("categroy=a", {"categroy"}),
        ("page=2", {"page"}),
        ("category=%00", {"category"}),
        ("user_id=a%00", {"user_id"}),
        ("q=%00", {"q"}),
        ("q=" + "+".join("abcdefghijklmnopqrstuvwxyz"), {"q"}),
        ("context.=1", {"context."}),
        ("context.a=%00", {"context.a"}),
        ("context.a.b.c.d.e.f.g=1", {"context.a.b.c.d.e.f.g"}),
        ("level=x&foo=1&since=y", {"level", "foo", "since"}),
    ],
)
def test_a_bad_question_is_named_by_its_parameter(client: Client, query: str, names: set[str]) -> None:
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 400, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    assert {error["parameter"] for error in response.json()["errors"]} == names


def test_pages_follow_each_other_both_ways_and_carry_the_first_pages_total(client: Client) -> None:
    store(*({"message": str(n)} for n in range(25)))
    pages = [client.get(f"{URL}?limit=10&since=-1h").json()]
    while pages[-1]["next"]:
        store({"message": "later", "timestamp": datetime.now(UTC)})
        pages.append(client.get(pages[-1]["next"]).json())
    assert [[item["message"] for item in page["items"]] for page in pages] == [
        [str(n) for n in range(low, min(low + 10, 25))] for low in (0, 10, 20)
    ]
    assert [page["total"] for page in pages] == [25, 25, 25]
    assert pages[0]["previous"] is None
    assert client.get(pages[2]["previous"]).json()["items"] == pages[1]["items"]


def test_a_relative_time_is_resolved_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    store(*({"message": str(n), "timestamp": now - timedelta(minutes=n)} for n in range(10)))
    first = client.get(f"{URL}?limit=2&since=-5m").json()
    later = now + timedelta(minutes=3)
    monkeypatch.setattr("systemlog.api.views.timezone.now", lambda: later)
    rest = client.get(first["next"].replace("limit=2", "limit=100")).json()
    assert len(rest["items"]) + 2 == first["total"]


def test_a_cursor_belongs_to_its_search(client: Client) -> None:
    store(*({"message": str(n)} for n in range(5)))
    there = client.get(f"{URL}?limit=2").json()["next"]
    assert client.get(there + "&level=INFO").status_code == 400
    assert client.get(there.replace("limit=2", "limit=3")).status_code == 200


def test_a_record_is_found_by_its_id_in_either_spelling(client: Client) -> None:
    record = SystemLog.objects.create(message="m")
    for spelling in (str(record.id), record.id.hex, str(record.id).upper()):
        assert client.get(f"{URL}{spelling}").json()["id"] == str(record.id)
    for nonsense in ("x", "1", "0" * 31, "{" + str(record.id) + "}", "%00", "ä"):
        assert client.get(f"{URL}{nonsense}").status_code == 404


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="ascii")) | st.binary().map(lambda data: data.hex()))
def test_no_text_is_a_cursor_by_accident(text: str) -> None:
    with pytest.raises(BadCursor):
        Cursor.decode(text, "search")


@given(
    st.integers(-(10**16), 10**16),
    st.uuids(),
    st.booleans(),
    st.none() | st.integers(0, 10**16),
    st.integers(0, 10_000),
    st.booleans(),
    st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=9000)),
)
def test_a_cursor_survives_its_text(
    at: int, key: uuid.UUID, backwards: bool, bound: int | None, total: int, exact: bool, slice_: timedelta | None
) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    instant = epoch + timedelta(microseconds=at)
    limit = None if bound is None else epoch + timedelta(microseconds=bound)
    cursor = Cursor(Position(instant, key), backwards, limit, limit, total, exact, slice_)
    assert Cursor.decode(cursor.encode("search"), "search") == cursor
    with pytest.raises(BadCursor):
        Cursor.decode(cursor.encode("search"), "another")


def test_a_cursor_with_any_character_changed_is_none() -> None:
    cursor = Cursor(Position(datetime(2026, 1, 2, tzinfo=UTC), uuid.UUID(int=7)), False, None, None, 3, True)
    text = cursor.encode("search")
    for place in range(len(text)):
        for other in "A0_.":
            if (changed := text[:place] + other + text[place + 1 :]) != text:
                with pytest.raises(BadCursor):
                    Cursor.decode(changed, "search")


def test_a_cursor_that_a_client_makes_is_none() -> None:
    fields = ["search", 0, uuid.UUID(int=7).hex, 0, None, None, 10_000, 1, 0]
    forged = base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).rstrip(b"=").decode()
    for text in (forged, f"{forged}.", f"{forged}.{forged}"):
        with pytest.raises(BadCursor):
            Cursor.decode(text, "search")


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"order": {"id": 7, "tags": ["a", None, True, 1.5]}},
        {"line\u2028separator": 'Müller\u2029 </script> \\ " \n'},
        {"large": 10**30, "negative": -(10**18), "small": 1e-7},
        {"a": {"b": {"c": {"d": [[[]]]}}}},
    ],
)
def test_a_context_is_the_same_in_every_form_of_json(client: Client, context: dict[str, Any]) -> None:
    store({"context": context})
    compact = client.get(URL)
    indented = client.get(URL, headers={"Accept": "application/json; indent=2"})
    assert compact.json()["items"] == indented.json()["items"]
    assert compact.json()["items"][0]["context"] == context
    assert "\u2028" not in compact.content.decode()
    assert compact.content.count(b"\n") == 1 < indented.content.count(b"\n")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("level=&level=x", {"level": NOT_A_LEVEL}),
        ("min_level=ERROR&min_level=INFO", {"min_level": "This may be given once."}),
        ("min_level=ERROR&min_level=x", {"min_level": NOT_A_LEVEL}),
        ("no=1&since=x&level=x", {"no": "There is no such parameter.", "level": NOT_A_LEVEL, "since": NOT_A_TIME}),
        ("category=", {"category": EMPTY}),
        ("source=a%00b", {"source": NUL}),
        ("q=" + "+".join("abcdefghijklmnopqrstu"), {"q": TOO_MANY_TERMS}),
    ],
)
def test_each_bad_parameter_is_named_once_in_a_fixed_order(client: Client, query: str, named: dict[str, str]) -> None:
    errors = client.get(f"{URL}?{query}").json()["errors"]
    assert [(error["parameter"], error["detail"]) for error in errors] == list(named.items())
