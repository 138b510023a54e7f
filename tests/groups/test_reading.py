"""Reading groups, their records, and the patterns of a page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from systemlog.journal import SystemLogHandler
from systemlog.models import Group
from systemlog.testing import captured_records
from tests.fingerprints.samples import CHANGES, PYTHON
from tests.groups.conftest import URL, error

pytestmark = pytest.mark.django_db

Groups = Callable[..., list[dict[str, Any]]]
Land = Callable[..., None]


def test_groups_are_paged_those_seen_last_first(land: Land, client: Client) -> None:
    land(*(error(f"kind {'x' * n} failed", ago=timedelta(minutes=n)) for n in range(5)))
    first = client.get(URL, {"limit": 2}).json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    titles = [item["title"] for page in (first, second, third) for item in page["items"]]
    assert titles == [f"kind {'x' * n} failed" for n in range(5)]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("parameters", "titles"),
    [
        ({"state": "ignored"}, {"b"}),
        ({"state": ["ignored", "open"]}, {"a", "b", "c"}),
        ({"state": "regressed"}, set()),
        ({"category": "shop"}, {"a", "b"}),
        ({"category": "billing.*"}, {"c"}),
        ({"category": "Billing.*"}, set()),
        ({"category": "bill_ng.*"}, set()),
        ({"category": ["shop", "billing.cards"]}, {"a", "b", "c"}),
        ({"since": "-1h"}, {"a", "b"}),
        ({"q": "C"}, {"c"}),
        ({"q": "a b"}, set()),
        ({"q": "%"}, set()),
    ],
)
def test_groups_are_filtered(land: Land, client: Client, parameters: dict[str, Any], titles: set[str]) -> None:
    land(error("a"), error("b"), error("c", category="billing.cards", ago=timedelta(hours=2)))
    client.get(URL)
    Group.objects.filter(title="b").update(state="ignored")
    response = client.get(URL, parameters)
    assert {item["title"] for item in response.json()["items"]} == titles


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"stat": "open"}, "stat"),
        ({"state": "closed"}, "state"),
        ({"state": ""}, "state"),
        ({"category": ""}, "category"),
        ({"since": "yesterday"}, "since"),
        ({"since": ""}, "since"),
        ({"limit": "0"}, "limit"),
        ({"limit": "2001"}, "limit"),
        ({"limit": ["1", "2"]}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"q": "a\0"}, "q"),
        ({"q": "a " * 30}, "q"),
        ({"category": ["x"] * 200}, "category"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(client: Client, parameters: dict[str, Any], name: str) -> None:
    response = client.get(URL, parameters)
    assert response.status_code == 400
    assert [each["parameter"] for each in response.json()["errors"]] == [name]


def test_a_cursor_of_another_search_or_that_was_changed_is_refused(land: Land, client: Client) -> None:
    land(error("a"), error("b"))
    following = client.get(URL, {"limit": 1}).json()["next"]
    assert client.get(following).status_code == 200
    assert client.get(f"{following}&state=open").status_code == 400
    assert client.get(following.replace("cursor=", "cursor=x")).status_code == 400


def test_records_are_found_by_their_group(land: Land, client: Client, groups: Groups) -> None:
    land(*(error(f"order {n} failed", ago=timedelta(days=n % 3)) for n in range(5)), error("b"), error(level="INFO"))
    group = next(each for each in groups() if each["count"] == 5)["id"]
    found = client.get("/system/logs/", {"group": group}).json()
    assert (found["total"], {item["group"] for item in found["items"]}) == (5, {group})
    for parameters in ({"group!": group}, {"query": f"-group:{group}"}):
        assert {item["group"] for item in client.get("/system/logs/", parameters).json()["items"]} >= {None}
        assert group not in str(client.get("/system/logs/", parameters).json()["items"])
    assert client.get("/system/logs/", {"query": f"group:{group}"}).json()["total"] == 5
    buckets = client.get("/system/logs/histogram/", {"group": group, "interval": "1w"}).json()["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == 5
    facets = client.get("/system/logs/facets/", {"group": group, "field": "level"}).json()
    assert facets["values"] == [{"value": "ERROR", "count": 5}]
    lines = b"".join(client.get("/system/logs/export/", {"group": group}).streaming_content).decode().splitlines()
    assert len(lines) == 5
    assert all(group in line for line in lines)
    assert client.get("/system/logs/", {"group": "0" * 16}).json()["total"] == 0
    assert client.get("/system/logs/", {"group": ""}).status_code == 400


def test_an_error_with_arguments_keeps_its_template() -> None:
    logger = logging.Logger("shop")  # noqa: LOG001  (one of its own, that no other test sees)
    logger.addHandler(SystemLogHandler())
    with captured_records() as records:
        logger.error("charge %s of %s failed", 7, "Anna")
        logger.error("charge failed")
        logger.warning("charge %s failed", 7)
        logger.error("charge %s failed", 7, extra={"template": "mine.html"})
    assert [record.context.get("template") for record in records] == [
        "charge %s of %s failed",
        None,
        None,
        "mine.html",
    ]


def test_the_patterns_of_a_page_are_counted(land: Land, client: Client) -> None:
    land(
        *(error(f"order {n} failed", level=level) for n, level in enumerate(("INFO", "ERROR", "INFO"))),
        error("charge first failed", context={"template": "charge %s failed"}),
        error("charge other failed", context={"template": "charge %s failed"}),
        error("failed", context={"exception": PYTHON.format(**CHANGES[0])}),
    )
    found = client.get("/system/logs/patterns/", {"category": "shop"}).json()
    assert [(item["template"], item["count"]) for item in found["items"]] == [
        ("order * failed", 3),
        ("charge %s failed", 2),
        ("failed", 1),
    ]
    assert found["items"][0]["levels"] == {"INFO": 2, "ERROR": 1}
    assert (found["records"], found["complete"]) == (6, True)
    assert client.get("/system/logs/patterns/", {"limit": 1}).json()["records"] == 1
    assert client.get("/system/logs/patterns/", {"levl": "x"}).status_code == 400


def test_reading_patterns_needs_the_permission_to_read(client_with: Callable[..., Client]) -> None:
    assert Client().get("/system/logs/patterns/").status_code == 401
    assert client_with("add_systemlog", "change_group").get("/system/logs/patterns/").status_code == 403
    assert client_with("view_systemlog").head("/system/logs/patterns/").status_code == 200
