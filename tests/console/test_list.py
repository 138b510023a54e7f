"""The list of records: its columns, its filters, its pages, and the statements that it sends to the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.console import model_admin
from systemlog.search import time_walk
from systemlog.storage import get_storage
from tests.support.console import LIST, NOW, messages_of, page_of, queries, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def logs(db: None) -> None:
    """Six records, a second apart: m0 is the newest."""
    store(
        {"message": "m0", "level": "DEBUG", "category": "a"},
        {"message": "m1", "category": "b", "correlation_id": "c-1", "source": "web"},
        {"message": "m2", "level": "WARNING", "category": "a", "user_id": "7", "trace_id": "t-1"},
        {"message": "m3", "level": "ERROR", "correlation_id": "c-1", "subject": "shop.order:7"},
        {"message": "m4 Disk FULL on sda", "level": "CRITICAL", "timestamp": NOW - timedelta(days=3)},
        {"message": "m5 disk fine", "context": {"disk": {"free": 7}}, "timestamp": NOW - timedelta(days=300)},
    )


def test_the_newest_record_comes_first(logs: None, ask: Callable[[str], list[str]]) -> None:
    assert ask("") == ["m0", "m1", "m2", "m3", "m4 Disk FULL on sda", "m5 disk fine"]


def test_a_row_tells_time_level_category_message_correlation_id_and_user(client: Client) -> None:
    store({"message": "paid", "level": "ERROR", "category": "billing", "correlation_id": "c-1", "user_id": "ann"})
    page = page_of(client.get(LIST))
    cells = page.rows[-1].split()
    milliseconds = f"{NOW:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    assert cells == [*milliseconds.split(), "ERROR", "billing", "paid", "c-1", "ann"]
    assert ("span", {"class": "mark", "data-level": "ERROR"}) in page.elements
    assert page.link("c-1") == "?correlation_id=c-1"


def test_a_long_message_is_cut(client: Client) -> None:
    store({"message": "x" * 5000})
    (shown,) = messages_of(client.get(LIST))
    assert shown == "x" * 299 + "…"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("level=ERROR", ["m3"]),
        ("level=error", ["m3"]),
        ("level=ERROR&level=DEBUG", ["m0", "m3"]),
        ("min_level=WARNING", ["m2", "m3", "m4 Disk FULL on sda"]),
        ("category=a", ["m0", "m2"]),
        ("source=web", ["m1"]),
        ("correlation_id=c-1", ["m1", "m3"]),
        ("user_id=7", ["m2"]),
        ("trace_id=t-1", ["m2"]),
        ("subject=shop.order:7", ["m3"]),
        ("since=-1d", ["m0", "m1", "m2", "m3"]),
        ("since=-7d&until=-1d", ["m4 Disk FULL on sda"]),
        ("q=disk", ["m4 Disk FULL on sda", "m5 disk fine"]),
        ("q=DISK+full", ["m4 Disk FULL on sda"]),
        ("context.disk.free=7", ["m5 disk fine"]),
        ("q=&category=&source=&correlation_id=&since=&until=&level=&min_level=a", None),
        ("q=&category=b&source=&correlation_id=&since=&until=&level=&min_level=", ["m1"]),
        ("category=nothing", []),
    ],
)
def test_what_the_api_filters_by_the_list_filters_by(
    logs: None, client: Client, query: str, found: list[str] | None
) -> None:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    assert ("could not be made" in response.content.decode()) == (found is None)
    assert messages_of(response) == (found or [])


def test_levels_and_times_are_a_click_and_keep_what_else_is_asked(logs: None, client: Client) -> None:
    page = page_of(client.get(f"{LIST}?category=a&level=DEBUG&cursor="))
    assert page.link("Warning") == "?category=a&level=WARNING"
    assert page.link("Last 15 minutes") == "?category=a&level=DEBUG&since=-15m"
    assert page.link("All") == "?category=a"
    assert page.link("Clear all filters") == "?"
    assert page.link("Category: a") == "?level=DEBUG"


def test_the_form_keeps_what_is_asked(logs: None, client: Client) -> None:
    query = "q=disk&level=ERROR&category=a&category=b&context.x=1&since=-1d"
    page = page_of(client.get(f"{LIST}?{query}"))
    sent = [
        (attributes["name"], attributes["value"])
        for tag, attributes in page.elements
        if tag == "input" and attributes.get("name") and attributes.get("value")
    ]
    csrf = "csrfmiddlewaretoken"
    assert sorted(pair for pair in sent if pair[0] != csrf) == sorted(tuple(p.split("=")) for p in query.split("&"))


def walk(client: Client, query: str, label: str, first: Any = None) -> list[list[str]]:
    """Return the messages of each page, following the links with this label."""
    response = first or client.get(f"{LIST}?{query}")
    pages = [messages_of(response)]
    while (link := page_of(response).link(label)) is not None:
        response = client.get(LIST + link)
        pages.append(messages_of(response))
        assert len(pages) < 100
    return pages


def test_older_and_newer_lead_through_every_record_and_back(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_admin.SystemLogAdmin, "list_per_page", 3)
    store(*({"message": f"m{number}", "category": "ab"[number % 2]} for number in range(20)))
    forth = walk(client, "category=a", "Older")
    assert forth == [["m0", "m2", "m4"], ["m6", "m8", "m10"], ["m12", "m14", "m16"], ["m18"]]
    last = client.get(f"{LIST}?category=a")
    for _ in forth[1:]:
        last = client.get(LIST + (page_of(last).link("Older") or ""))
    assert walk(client, "", "Newer", last) == forth[::-1]
    assert page_of(last).link("Newest") == "?category=a"


def test_a_relative_time_stays_what_it_was_on_the_first_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_admin.SystemLogAdmin, "list_per_page", 2)
    store(*({"message": f"m{number}", "timestamp": NOW - timedelta(minutes=number)} for number in range(6)))
    monkeypatch.setattr(model_admin.timezone, "now", lambda: NOW)
    first = client.get(f"{LIST}?since=-200s")
    older = page_of(first).link("Older") or ""
    monkeypatch.setattr(model_admin.timezone, "now", lambda: NOW + timedelta(hours=1))
    assert messages_of(first) + messages_of(client.get(LIST + older)) == ["m0", "m1", "m2", "m3"]


def test_a_search_that_runs_out_of_its_budget_says_so_and_goes_on(client: Client, a_few_slices_a_page: None) -> None:
    store(*({"message": f"m{day}", "timestamp": NOW - timedelta(days=day)} for day in range(0, 4000, 100)))
    response = client.get(f"{LIST}?q=m3900")
    assert messages_of(response) == []
    assert "it searched back to" in page_of(response).text
    pages = walk(client, "q=m3900", "Go on from there")
    assert [message for page in pages for message in page] == ["m3900"]
    assert len(pages) > 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("e=1", "e"),
        ("p=2", "p"),
        ("o=1", "o"),
        ("_facets=True", "_facets"),
        ("level__exact=ERROR", "level__exact"),
        ("level=LOUD", "level"),
        ("min_level=LOUD", "min_level"),
        ("since=yesterday", "since"),
        ("since=-1d&until=-2d", "since"),
        ("until=-9999999d", "until"),
        ("category=%00", "category"),
        ("q=%00", "q"),
        ("cursor=x", "cursor"),
        ("q=" + "+".join("abcdefghijklmnopqrstuvwxyz"), "q"),
        (quote("<b>&\x00ü") + "=1", "<b>&"),
    ],
)
def test_a_bad_parameter_is_named_and_no_record_is_shown(logs: None, client: Client, query: str, named: str) -> None:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    assert re.search(rf"could not be made.*\n\s*{re.escape(named)}[^\n]*: ", page_of(response).text, re.DOTALL)
    assert messages_of(response) == []


def test_a_cursor_of_another_search_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_admin.SystemLogAdmin, "list_per_page", 1)
    store({"category": "a"}, {"category": "a"})
    older = page_of(client.get(f"{LIST}?category=a")).link("Older") or ""
    response = client.get(LIST + older.replace("category=a", "category=b"))
    assert "could not be made" in page_of(response).text


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["level", "min_level", "since", "until", "q", "cursor", "category", "context.a"])
            | st.text(),
            st.text() | st.sampled_from(["ERROR", "-15m", "2026-01-01T00:00:00Z"]),
        )
    )
)
def test_no_query_breaks_the_page(client: Client, parameters: list[tuple[str, str]]) -> None:
    query = urlencode(parameters, errors="replace")
    assert client.get(f"{LIST}?{query}").status_code == 200


def test_what_a_record_says_is_never_markup(client: Client) -> None:
    evil = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
    store({"message": evil, "category": evil, "correlation_id": evil, "user_id": evil, "source": evil})
    page = page_of(client.get(f"{LIST}?{urlencode({'category': evil, 'q': '<script>'})}"))
    assert not [1 for tag, attributes in page.elements if tag == "img" and attributes.get("src") == "x"]
    assert not [1 for _, attributes in page.elements if "onerror" in attributes]
    assert page.rows[-1].count(evil) == 4
    response = client.get(LIST + (page.link(evil) or ""))
    assert [unescape(message) for message in messages_of(response)] == [evil]


@pytest.mark.parametrize("odd", ["a&b=c d+e%20#/?ü", " c-1 ", " ", "c-1\r\n", "<b>&amp;", "'\""])
def test_the_link_of_a_correlation_id_finds_all_its_records_and_no_others(client: Client, odd: str) -> None:
    store(
        {"message": "one", "correlation_id": odd},
        {"message": "two", "correlation_id": odd},
        {"message": "other", "correlation_id": "c-1"},
    )
    link = next(href for _, href in page_of(client.get(f"{LIST}?q=one")).links if "?correlation_id=" in href)
    assert messages_of(client.get(LIST + link)) == ["one", "two"]


@pytest.mark.parametrize("query", ["", "level=ERROR", "q=m1", "category=a&since=-1d"])
def test_the_list_neither_counts_nor_skips_rows(client: Client, query: str) -> None:
    store(*({"message": f"m{number}", "category": "a"} for number in range(150)))
    with queries() as statements:
        client.get(f"{LIST}?{query}")
    on_logs = [sql.upper() for sql in statements if "SYSTEM_LOGS" in sql.upper()]
    assert on_logs
    for sql in on_logs:
        assert "COUNT(" not in sql
        assert "OFFSET" not in sql
        assert "DISTINCT" not in sql
    pages = [sql for sql in on_logs if '"MESSAGE"' in sql]
    assert pages
    for sql in pages:
        assert re.search(r"LIMIT \d+$", sql)
        assert '"CONTEXT",' not in sql


def test_the_number_of_queries_does_not_grow_with_the_table(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_walk, "SLICE_S", 1000)  # as if every statement were quick

    def statements_of(query: str) -> int:
        get_storage().partition_spans()  # read once a minute
        with queries() as statements:
            assert client.get(f"{LIST}?{query}").status_code == 200
        return len(statements)

    questions = ("", "level=ERROR", "q=nothing")
    store({}, {"timestamp": NOW - timedelta(minutes=59)})
    few = [statements_of(query) for query in questions]
    store(*({"timestamp": NOW - timedelta(seconds=number), "message": "more"} for number in range(3000)))
    many = [statements_of(query) for query in questions]
    assert all(after <= before for before, after in zip(few, many, strict=True))
