"""The story of a request: its records oldest first, with offsets, gaps, frames and changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from systemlog.console.story import reading
from systemlog.models import SystemLog
from tests.support.console import LIST, NOW, Document, page_of, queries, store

pytestmark = pytest.mark.django_db

STORY = f"{LIST}story/"
REQUEST = "8f14e45f-ceea-467f-9b0a-7d3b2f1c9e55"
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/requests/models.py", line 1026, in raise_for_status
    raise HTTPError(http_error_msg)
  File "/srv/shop/billing/gateway.py", line 41, in charge
    response.raise_for_status()
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^
requests.exceptions.HTTPError: 402 Client Error
"""


def at(milliseconds: float, message: str, **columns: Any) -> dict[str, Any]:
    timestamp = NOW + timedelta(milliseconds=milliseconds)
    return {"timestamp": timestamp, "message": message, "correlation_id": REQUEST, "source": "web", **columns}


def show(client: Client, status: int = 200, **parameters: str) -> Document:
    response = client.get(f"{STORY}?{urlencode(parameters)}")
    assert response.status_code == status
    return page_of(response)


def records_of(page: Document) -> list[str]:
    """The anchor of each record in the list."""
    return [dict(attributes)["id"] or "" for tag, attributes in page.elements if tag == "li" and "id" in attributes]


def test_records_come_oldest_first_with_their_offsets(client: Client) -> None:
    rows = store(at(1500, "the end"), at(0, "the beginning"), at(12, "the middle", source="billing"))
    store({"message": "of another request", "correlation_id": "other"})
    page = show(client, correlation_id=REQUEST)
    assert records_of(page) == [f"r-{rows[number].id}" for number in (1, 2, 0)]
    for text in (REQUEST, "12 ms", "1.500 s", "1.488 s without a record", "billing"):
        assert text in page.text
    assert "of another request" not in page.text


def test_an_error_shows_its_frames_and_can_be_jumped_to(client: Client) -> None:
    error = {"level": "ERROR", "context": {"exception": TRACEBACK}}
    store(at(0, "before"), at(5, "it broke", **error), at(6, "it broke again", **error))
    page = show(client, correlation_id=REQUEST)
    assert sum(attributes.get("id") == "first-error" for _, attributes in page.elements) == 1
    frames = [attributes["data-own"] for _, attributes in page.elements if "data-own" in attributes]
    assert frames == ["no", "yes"] * 2
    assert "/srv/shop/billing/gateway.py" in page.text
    assert "requests.exceptions.HTTPError: 402 Client Error" in page.text


def test_an_error_leads_to_its_group(client: Client) -> None:
    store(at(0, "before"), at(5, "it broke", level="ERROR"))
    page = show(client, correlation_id=REQUEST)
    groups = [href for _, href in page.links if "/group/" in href]
    assert groups == [reverse("admin:systemlog_group_change", args=[SystemLog.objects.get(level="ERROR").group])]
    assert client.get(groups[0]).status_code == 200


def test_what_the_audit_trail_says_changed_is_shown(client: Client) -> None:
    context = {"changes": {"status": ["open", "paid"], "tags": {"added": [3], "removed": []}}}
    store(at(0, "begun"), at(3, "changed", category="audit.update", subject="shop.order:7", context=context))
    text = show(client, correlation_id=REQUEST).text
    for words in ("Changed in this request", "shop.order:7", "open", "paid", "+ 3"):
        assert words in text


def test_a_trace_joins_its_requests(client: Client) -> None:
    store(at(0, "one", trace_id="t-1"), at(1, "two", trace_id="t-1", correlation_id="another"))
    page = show(client, trace_id="t-1")
    assert len(records_of(page)) == 2
    assert page.link("another") is not None
    assert show(client, correlation_id=REQUEST).link("t-1") == "?trace_id=t-1#first-error"


def test_an_id_without_records_says_so(client: Client) -> None:
    page = show(client, correlation_id="unknown")
    assert "No record has this id" in page.text
    assert records_of(page) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"correlation_id": ""},
        {"correlation_id": "a", "trace_id": "b"},
        {"correlation_id": "a\x00"},
        {"correlation_id": "x" * 5000},
        {"corelation_id": "a"},
        {"correlation_id": "a", "from": "yesterday"},
        {"correlation_id": "a", "from": f"{NOW.isoformat()},no-uuid"},
    ],
)
def test_a_bad_parameter_is_named(client: Client, parameters: dict[str, str]) -> None:
    page = show(client, 400, **parameters)
    assert "Correct these parameters" in page.text
    assert records_of(page) == []


@pytest.mark.parametrize("path", ["story/", f"story/?correlation_id={REQUEST}", "story/link/?text=a", "operations/"])
def test_staff_without_the_permission_are_refused(client_of: Callable[..., Client], path: str) -> None:
    assert client_of().get(LIST + path).status_code == 403
    assert client_of("view").get(LIST + path).status_code == 200


def test_a_long_story_is_read_page_by_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_RECORDS", 3)
    monkeypatch.setattr(reading, "COUNTED_RECORDS", 5)
    rows = store(*(at(number, f"m{number}", level="ERROR" if number == 6 else "INFO") for number in range(8)))
    seen, page = [], show(client, correlation_id=REQUEST)
    assert "3 of 5 or more records" in page.text
    to_the_error = page.link("Go to the first") or ""
    while True:
        seen += records_of(page)
        if (link := page.link("Go on")) is None:
            break
        page = page_of(client.get(STORY + link))
    assert seen == [f"r-{row.id}" for row in rows]
    page = page_of(client.get(STORY + to_the_error))
    assert records_of(page)[0] == f"r-{rows[6].id}"
    assert "begins 6 ms after" in page.text


def test_a_page_is_found_by_few_statements(client: Client) -> None:
    store(*(at(number, "m", context={"exception": TRACEBACK}) for number in range(50)))
    with queries() as statements:
        show(client, correlation_id=REQUEST)
    assert 1 <= len([sql for sql in statements if sql.startswith("SELECT") and "system_logs" in sql]) <= 3


@pytest.mark.parametrize(
    "context",
    [
        {"changes": {"a": {"added": 5}, "b": [1], "c": 4, "d": {"added": [[1], {}]}}},
        {"changes": [1, 2]},
        {"duration_ms": "NaN", "exception": 5},
        {"duration_ms": 1e300, "exception": 'File "' * 3000},
        {"duration_ms": {"a": 1}, "exception": ["a"]},
        {"duration_ms": -1, "exception": "~" * 20_000 + "x"},
        ["no object"],
    ],
)
def test_no_context_breaks_the_page(client: Client, context: Any) -> None:
    store(at(0, "one", category="audit.update", subject="auth.user:1", context=context), at(1, "two", context=context))
    assert len(records_of(show(client, correlation_id=REQUEST))) == 2


def test_hidden_characters_are_made_visible(client: Client) -> None:
    store(at(0, "\x1b[31mred \u202eevil", category="a\u200bb", source="s\u2066"))
    html = client.get(f"{STORY}?correlation_id={REQUEST}").content.decode()
    assert "␛[31mred ⟨U+202E⟩evil" in html
    assert re.search("[\x1b\u202e\u200b\u2066]", html) is None


PROBLEM = {"type": "/problems/internal-error", "title": "Internal Server Error", "correlation_id": REQUEST}


@pytest.mark.parametrize(
    "text",
    [REQUEST, f"  {REQUEST}\n", json.dumps(PROBLEM), json.dumps(PROBLEM, indent=2), f"HTTP 500: {json.dumps(PROBLEM)}"],
)
def test_what_is_pasted_into_the_search_opens_its_story(client: Client, text: str) -> None:
    store(at(0, "one"))
    for url in (f"{LIST}?{urlencode({'query': text})}", f"{STORY}?{urlencode({'text': text})}"):
        assert client.get(url)["Location"] == f"{STORY}?correlation_id={REQUEST}#first-error"
    assert client.post(STORY, {"text": text})["Location"] == f"{STORY}?correlation_id={REQUEST}#first-error"
    answer = client.get(f"{STORY}link/?{urlencode({'text': text})}").json()
    assert (answer["records"], answer["certain"]) == (1, True)


@pytest.mark.parametrize(
    "text", ["timeout", "level:error", '"two words"', "{}", "[1]", "-a", "{", "0b0c4bd2-37ee-4a55-b84b-2d4d0b6f1e5c"]
)
def test_other_text_is_searched_for(client: Client, text: str) -> None:
    store(at(0, "one", correlation_id="timeout"))
    assert client.get(f"{LIST}?{urlencode({'query': text})}").status_code == 200


def test_a_word_that_is_an_id_is_offered_and_not_opened(client: Client) -> None:
    store(at(0, "one", correlation_id="timeout"), at(1, "two", correlation_id="timeout"))
    answer = client.get(f"{STORY}link/?text=timeout").json()
    assert (answer["records"], answer["certain"]) == (2, False)
    assert client.get(f"{STORY}link/?text=nothing").json() == {}
