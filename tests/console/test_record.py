"""The page of one record: it shows every field, and links to related records."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from systemlog.console.contexts import as_json, texts
from systemlog.models import SystemLog
from tests.support.console import LIST, NOW, messages_of, page_of, queries, store

pytestmark = pytest.mark.django_db

TRACEBACK = 'Traceback (most recent call last):\n  File "charge.py", line 41, in charge\nCardDeclined: <no> funds\n'


def show(client: Client, record_id: uuid.UUID) -> Any:
    response = client.get(f"{LIST}{record_id}/change/")
    assert response.status_code == 200
    return response


def test_every_field_can_be_read(client: Client) -> None:
    columns: dict[str, Any] = {
        "level": "ERROR",
        "category": "billing",
        "source": "web-1",
        "message": "first line\nsecond " + "x" * 5000,
        "correlation_id": "c-1",
        "user_id": "ann",
        "trace_id": "t-1",
        "subject": "shop.order:7",
        "recorded_by": "shop-service",
    }
    (row,) = store({**columns, "context": {"order": {"id": 7, "ü": ["<b>"]}}})
    text = page_of(show(client, row.id)).text
    for value in (*columns.values(), str(row.id), f"{NOW:%Y-%m-%d %H:%M:%S.%f}"):
        assert value in text
    assert json.dumps(row.context, indent=2, ensure_ascii=False) in text


@pytest.mark.parametrize("name", ["correlation_id", "trace_id", "user_id", "subject", "category", "source"])
def test_a_link_leads_to_all_records_with_the_same(client: Client, name: str) -> None:
    value = "a&b=<c> d+ü"
    same = {name: value}
    row, _, _ = store({"message": "one", **same}, {"message": "two", **same}, {"message": "other"})
    links = [href for _, href in page_of(show(client, row.id)).links if f"{LIST}?{name}=" in href]
    assert len(links) == 1
    assert messages_of(client.get(links[0])) == ["one", "two"]


def test_a_link_leads_to_the_minute_before_and_after(client: Client) -> None:
    _, row, *_ = store(*({"message": f"m{n}", "timestamp": NOW - timedelta(seconds=50 * n)} for n in range(5)))
    link = page_of(show(client, row.id)).link("minute before and after") or ""
    assert messages_of(client.get(link)) == ["m0", "m1", "m2"]


def test_a_traceback_keeps_its_lines(client: Client) -> None:
    (row,) = store({"context": {"order": 7, "exception": TRACEBACK}})
    html = show(client, row.id).content.decode()
    blocks = [unescape(block) for block in re.findall(r"<pre[^>]*>(.*?)</pre>", html, re.DOTALL)]
    assert TRACEBACK in blocks


def test_texts_of_several_lines_are_found_wherever_they_stand() -> None:
    context = {"sql": "SELECT\n1", "steps": [{"out": "a\nb"}], "one": "line\n", "exception": TRACEBACK}
    assert texts(context) == [
        ("context.exception", TRACEBACK),
        ("context.sql", "SELECT\n1"),
        ("context.steps.0.out", "a\nb"),
    ]


def test_what_a_record_says_is_never_markup(client: Client) -> None:
    evil = "</pre><script>alert(1)</script>\n\"'&<img src=x onerror=alert(1)>"
    names = ("message", "category", "source", "correlation_id", "user_id", "trace_id", "subject", "recorded_by")
    (row,) = store({**dict.fromkeys(names, evil), "context": {evil: evil, "exception": evil}})
    page = page_of(show(client, row.id))
    assert not [1 for tag, attributes in page.elements if tag == "img" and attributes.get("src") == "x"]
    assert not [1 for _, attributes in page.elements if "onerror" in attributes]
    assert page.text.count(evil) >= len(names)
    assert json.dumps({evil: evil}, ensure_ascii=False)[1:-1] in page.text


def test_an_id_that_occurs_with_several_timestamps_shows_the_newest(client: Client) -> None:
    chosen = uuid.uuid4()
    store(
        {"id": chosen, "message": "the older", "timestamp": NOW - timedelta(days=900)},
        {"id": chosen, "message": "the newer"},
    )
    assert "the newer" in page_of(show(client, chosen)).text
    assert client.get(f"{LIST}{chosen}/history/").status_code == 200
    assert client.get(f"{LIST}{chosen}/delete/").status_code == 403


@pytest.mark.parametrize(
    "unknown", ["0190a000-0000-7000-8000-000000000000", "x", "1", "%00", "<b>", "..%2F..", "a" * 3000]
)
def test_an_unknown_id_is_the_admins_usual_message(client: Client, unknown: str) -> None:
    response = client.get(f"{LIST}{unknown}/change/", follow=True)
    assert response.redirect_chain == [("/admin/", 302)]
    assert "doesn’t exist" in page_of(response).text  # noqa: RUF001  (Django's own words)


def test_the_way_back_leads_to_the_list_as_it_was(client: Client) -> None:
    store({"message": "one", "level": "ERROR"}, {"message": "two"})
    page = page_of(client.get(f"{LIST}?level=ERROR&level=DEBUG&q=one"))
    record = page_of(client.get(next(href for _, href in page.links if "/change/" in href)))
    back = next(href for text, href in record.links if text == "System log records" and "?" in href)
    assert parse_qs(urlsplit(back).query) == {"level": ["ERROR", "DEBUG"], "q": ["one"]}


def test_a_record_is_found_by_its_key(client: Client) -> None:
    record = SystemLog.objects.create(message="m")
    with queries() as statements:
        show(client, record.id)
    on_logs = [sql for sql in statements if "system_logs" in sql]
    assert 1 <= len(on_logs) <= 2
    assert all("COUNT(" not in sql for sql in on_logs)


def test_half_a_surrogate_pair_is_shown_as_json_names_it() -> None:
    assert as_json({"a": "\ud800"}) == '{\n  "a": "\\ud800"\n}'
    assert texts({"a": "\ud800\nb"}) == [("context.a", "\\ud800\nb")]


def test_a_context_nested_beyond_all_measure_breaks_nothing() -> None:
    context: Any = "x\ny"
    for _ in range(100_000):
        context = {"a": context}
    assert as_json(context) == "This context is nested too deep to be shown."
    assert [text.text for text in texts(context)] == ["x\ny"]


def test_the_records_around_it_are_of_the_same_source(client: Client) -> None:
    times = [{"timestamp": NOW - timedelta(seconds=number), "source": "web"} for number in range(6)]
    rows = store(*({"message": f"m{number}", **time} for number, time in enumerate(times)))
    store({"message": "elsewhere", "source": "other", "timestamp": NOW - timedelta(seconds=2.5)})
    page = page_of(client.get(f"{LIST}{rows[2].id}/change/?around=2"))
    assert [re.search(r"m\d", row)[0] for row in page.rows[1:]] == ["m0", "m1", "m2", "m3", "m4"]  # type: ignore[index]
    assert "elsewhere" not in page.text
    for number in ("x", "-1", "0", "1e9", ""):
        assert "Surrounding records of" not in page_of(client.get(f"{LIST}{rows[2].id}/change/?around={number}")).text


def test_the_exception_shows_its_frames(client: Client) -> None:
    (row,) = store({"level": "ERROR", "context": {"exception": TRACEBACK}})
    page = page_of(show(client, row.id))
    frames = [attributes for tag, attributes in page.elements if "data-own" in attributes]
    assert [attributes["data-own"] for attributes in frames] == ["yes"]


def test_values_lead_to_records_with_and_without_them(client: Client) -> None:
    row, _ = store({"message": "one", "context": {"order": {"id": 7}}}, {"message": "two", "level": "ERROR"})
    page = page_of(show(client, row.id))
    links = {urlsplit(href).query for _, href in page.links}
    assert {"context.order.id=7", "context.order.id%21=7", "level=INFO", "level%21=INFO"} <= links
    assert messages_of(client.get(f"{LIST}?context.order.id=7")) == ["one"]
    assert messages_of(client.get(f"{LIST}?level%21=INFO")) == ["two"]


def test_a_context_of_many_keys_is_shown_in_part(client: Client) -> None:
    (row,) = store({"context": {"big": {f"key{number}": number for number in range(3000)}}})
    text = page_of(show(client, row.id)).text
    assert "… 2501 more" in text
    assert '"key2999": 2999' in text
