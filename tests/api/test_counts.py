"""GET of histogram and facets: permissions, parameters with bad values, and the form of the answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

HISTOGRAM = "/system/logs/histogram/"
FACETS = "/system/logs/facets/"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def logs(db: None) -> None:
    for number in range(6):
        SystemLog.objects.create(
            message=f"m{number}",
            timestamp=AT + timedelta(hours=number),
            level="ERROR" if number % 3 == 0 else "INFO",
            category="web" if number < 4 else "jobs",
        )


def test_a_histogram_is_buckets_with_their_levels(logs: None, client: Client) -> None:
    query = "since=2026-03-04T05:00:00Z&until=2026-03-04T10:59:59Z&interval=2h"
    assert client.get(f"{HISTOGRAM}?{query}").json() == {
        "interval": "2h",
        "buckets": [
            {"timestamp": "2026-03-04T04:00:00.000000Z", "count": 1, "levels": {"ERROR": 1}},
            {"timestamp": "2026-03-04T06:00:00.000000Z", "count": 2, "levels": {"INFO": 2}},
            {"timestamp": "2026-03-04T08:00:00.000000Z", "count": 2, "levels": {"ERROR": 1, "INFO": 1}},
            {"timestamp": "2026-03-04T10:00:00.000000Z", "count": 1, "levels": {"INFO": 1}},
        ],
        "approximate": False,
        "complete": True,
        "searched_until": None,
    }
    narrowed = client.get(f"{HISTOGRAM}?{query}&level=error&q=m3").json()
    assert [bucket["count"] for bucket in narrowed["buckets"]] == [0, 0, 1, 0]


def test_facets_are_values_by_their_number(logs: None, client: Client) -> None:
    assert client.get(f"{FACETS}?field=category").json() == {
        "field": "category",
        "values": [{"value": "web", "count": 4}, {"value": "jobs", "count": 2}],
        "other": 0,
        "approximate": False,
        "complete": True,
        "searched_until": None,
    }
    assert client.get(f"{FACETS}?field=level&category=jobs").json()["values"] == [{"value": "INFO", "count": 2}]


def test_values_beyond_the_first_two_hundred_are_counted_together(client: Client) -> None:
    SystemLog.objects.bulk_create([SystemLog(message="m", category=f"c{number % 203}") for number in range(406)])
    body = client.get(f"{FACETS}?field=category").json()
    assert (len(body["values"]), body["other"]) == (200, 6)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        (f"{HISTOGRAM}?interval=1x", {"interval"}),
        (f"{HISTOGRAM}?interval=0h", {"interval"}),
        (f"{HISTOGRAM}?interval=", {"interval"}),
        (f"{HISTOGRAM}?interval=1h&interval=2h", {"interval"}),
        (f"{HISTOGRAM}?since=-30d&interval=1s", {"interval"}),
        (f"{HISTOGRAM}?cursor=x", {"cursor"}),
        (f"{HISTOGRAM}?limit=5", {"limit"}),
        (f"{HISTOGRAM}?level=x&since=y", {"level", "since"}),
        (FACETS, {"field"}),
        (f"{FACETS}?field=message", {"field"}),
        (f"{FACETS}?field=level&interval=1h", {"interval"}),
    ],
)
def test_a_bad_question_is_named_by_its_parameter(client: Client, url: str, names: set[str]) -> None:
    response = client.get(url)
    assert response.status_code == 400, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    assert {error["parameter"] for error in response.json()["errors"]} == names


@pytest.mark.parametrize("url", [HISTOGRAM, f"{FACETS}?field=level", "/system/logs/export/"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("permissions", "method", "status"),
    [
        (None, "GET", 401),
        ((), "GET", 403),
        (("add",), "GET", 403),
        (("add",), "HEAD", 403),
        (("view",), "GET", 200),
        (("view",), "HEAD", 200),
        (("view", "add"), "POST", 405),
        (("view", "add"), "DELETE", 405),
    ],
)
def test_counting_and_exporting_are_reading(
    client_with: Callable[..., Client], url: str, permissions: Any, method: str, status: int, slash: str
) -> None:
    SystemLog.objects.create(message="m", category="nobody may know")
    path, _, query = url.partition("?")
    client = Client() if permissions is None else client_with(*permissions)
    response = client.generic(method, f"{path.rstrip('/')}{slash}?{query}")
    assert response.status_code == status
    if status >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert b"nobody may know" not in response.content
