"""GET of records with typed text, and with filters that exclude: every endpoint that searches takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from systemlog.search.parsing.rules import NOT_A_LEVEL
from tests.support.console import store

pytestmark = pytest.mark.django_db

URL = "/system/logs/"
FACETS = f"{URL}facets/"
NOW = datetime.now(UTC)


@pytest.fixture
def logs(db: None) -> None:
    store(
        {"message": "m0", "level": "DEBUG", "category": "audit.created"},
        {"message": "m1", "level": "INFO", "category": "AUDIT.x", "source": "w1", "user_id": "7"},
        {"message": "m2 charge failed", "level": "WARNING", "category": "audit%", "source": "w2", "user_id": "8"},
        {"message": "m3 failed charge", "level": "ERROR", "category": "c", "source": "w1", "subject": "shop.order:7"},
        {"message": "m4", "level": "ERROR", "category": "audit.b", "context": {"order": 7, "a": {"b": "x"}}},
    )


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ("level!=debug", "1234"),
        ("level!=debug&level!=ERROR", "12"),
        ("category!=c", "0124"),
        ("category!=audit.*", "123"),
        ("category=audit.*", "04"),
        ("category=audit.*&category!=audit.b", "0"),
        ("category=audit.*&category=c", "034"),
        ("category=AUDIT.*", "1"),
        ("category=audit%25*", "2"),
        ("source!=w1", "024"),
        ("user_id!=7", "0234"),
        ("user_id!=7&user_id!=8", "034"),
        ("subject!=shop.order:7", "0124"),
        ("context.order!=7", "0123"),
        ("context.a.b!=x", "0123"),
        ("context.a.b!=x&context.order!=8", "0123"),
        ("level=error&source!=w1", "4"),
        ("user_id=7&level!=info", ""),
        ("query=", "01234"),
        ('query="charge failed"', "2"),
        ("query=charge failed", "23"),
        ('query=failed -"charge failed"', "3"),
        ("query=-failed", "014"),
        ("query=level:error -category:c", "4"),
        ("query=level:error&level=info", ""),
        ("query=user_id:7 user_id:8", "12"),
        ("query=user_id:7&user_id=8", ""),
        ("query=source:w1 source:w2 -user_id:7", "23"),
        ("query=-user_id:7", "0234"),
        ("query=context.order:7", "4"),
        ("query=context.order:7 context.order:8", "4"),
        ("query=-context.order:7", "0123"),
        ("query=category:audit.*", "04"),
        ("query=min_level:warning since:-1h", "234"),
        ("query=until:-1h", ""),
        ("q=charge&query=-level:error", "2"),
    ],
)
def test_searches_counts_and_exports_agree(logs: None, client: Client, parameters: str, found: str) -> None:
    query = quote(parameters, safe="=&!%")
    page = client.get(f"{URL}?{query}")
    assert page.status_code == 200, page.content
    assert "".join(item["message"][1] for item in page.json()["items"]) == found
    assert (page.json()["total"], page.json()["total_relation"]) == (len(found), "eq")
    exported = b"".join(client.get(f"{URL}export/?{query}"))  # type: ignore[arg-type]
    assert exported.count(b"\n") == len(found)
    for field in ("level", "category", "source"):
        facets = client.get(f"{FACETS}?{query}&field={field}").json()
        assert sum(value["count"] for value in facets["values"]) == len(found)
    buckets = client.get(f"{URL}histogram/?{query}&interval=7d").json()["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == len(found)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("level!=nope", {"level!"}),
        ("source!=", {"source!"}),
        ("correlation_id!=c", {"correlation_id!"}),
        ("q!=x", {"q!"}),
        ("query!=x", {"query!"}),
        ("context.!=x", {"context.!"}),
        ("context.a.b.c.d.e.f.g!=x", {"context.a.b.c.d.e.f.g!"}),
        ("&".join(f"context.a{n}!=x" for n in range(6)), {f"context.a{n}!" for n in range(6)}),
        ("&".join(f"source!={n}" for n in range(101)), {"source!"}),
        ("query=a&query=b", {"query"}),
        ("query=%00", {"query"}),
    ],
)
def test_what_excludes_nothing_is_named(client: Client, query: str, names: set[str]) -> None:
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert {error["parameter"] for error in response.json()["errors"]} == names


@pytest.mark.parametrize("path", ["", "histogram/", "facets/?field=level", "export/"])
def test_a_mistake_in_typed_text_is_a_problem_with_its_place(client: Client, path: str) -> None:
    response = client.get(f"{URL}{path}{'&' if '?' in path else '?'}query=source:a+level:nope")
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"] == [
        {"detail": NOT_A_LEVEL, "code": "invalid", "parameter": "query", "column": 16, "length": 4}
    ]


def test_a_typed_time_is_resolved_once_for_all_pages(client: Client) -> None:
    store(*({"message": str(number), "timestamp": NOW - timedelta(seconds=number)} for number in range(4)))
    page = client.get(f"{URL}?query=since:-1h&limit=2").json()
    assert [item["message"] for item in client.get(page["next"]).json()["items"]] == ["2", "3"]


def test_several_fields_are_answered_in_their_order(logs: None, client: Client) -> None:
    fields = ["source", "level", "category"]
    asked = "&".join(f"field={field}" for field in fields)
    body = client.get(f"{FACETS}?{asked}&level!=debug").json()
    assert body == {"facets": [client.get(f"{FACETS}?field={field}&level!=debug").json() for field in fields]}


@pytest.mark.parametrize("query", ["field=level&field=level", "field=level&field=message", "field=level&field="])
def test_fields_that_cannot_be_counted_together_are_refused(client: Client, query: str) -> None:
    response = client.get(f"{FACETS}?{query}")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, "field")


@pytest.mark.usefixtures("logs")
def test_a_budget_too_short_for_anything_still_counts_the_newest_slice(client: Client, settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 0.01}
    body = client.get(f"{URL}histogram/?since=-1d&interval=1h").json()
    assert sum(bucket["count"] for bucket in body["buckets"]) == 5
