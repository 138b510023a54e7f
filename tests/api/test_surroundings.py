"""GET of the neighbors of a record, and of what the contexts of the newest records have."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from systemlog.storage import Row
from tests.support.console import store

pytestmark = pytest.mark.django_db

LOGS = "/system/logs/"
FIELDS = f"{LOGS}fields/"
NOW = datetime.now(UTC)


@pytest.fixture
def rows() -> list[Row]:
    """Records m0, the newest, to m9, by turns of the sources w0 and w1; m4 and m5 are of one instant."""
    seconds = [0, 1, 2, 3, 4, 4, 6, 7, 8, 9]
    made = [uuid.UUID(int=2000 - number) for number in range(10)]
    return store(
        *(
            {
                "message": f"m{number}",
                "timestamp": NOW - timedelta(hours=number and 1, seconds=second),
                "source": f"w{number % 2}",
                "id": made[number],
            }
            for number, second in enumerate(seconds)
        )
    )


def around(client: Client, row: Row, query: str = "") -> tuple[str, int]:
    response = client.get(f"{LOGS}{row.id}/around/?{query}")
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["complete"] is True
    return "".join(item["message"][1] for item in body["items"]), body["index"]


def test_a_record_is_among_its_neighbors(client: Client, rows: list[Row]) -> None:
    assert around(client, rows[4]) == ("0123456789", 4)
    assert around(client, rows[4], "before=2&after=1") == ("3456", 1)
    assert around(client, rows[4], "before=2&after=1&same=source") == ("2468", 1)
    assert around(client, rows[5], "before=1&after=1") == ("456", 1)
    assert around(client, rows[0], "before=1") == ("01", 0)
    assert around(client, rows[9], "after=1") == ("89", 1)
    assert around(client, rows[9], "after=0&before=0") == ("9", 0)


def test_a_neighbor_is_as_the_list_has_it(client: Client, rows: list[Row]) -> None:
    assert client.get(f"{LOGS}{rows[4].id}/around/").json()["items"] == client.get(LOGS).json()["items"]


def test_no_source_is_a_source_too(client: Client) -> None:
    found = store({"message": "m0"}, {"message": "m1", "source": "w"}, {"message": "m2"})
    assert around(client, found[0], "same=source") == ("02", 0)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("before=201", {"before"}),
        ("before=-1", {"before"}),
        ("after=x", {"after"}),
        ("same=level", {"same"}),
        ("level=error", {"level"}),
        ("before=1&before=2", {"before"}),
    ],
)
def test_what_tells_no_neighbors_is_named(client: Client, rows: list[Row], query: str, names: set[str]) -> None:
    response = client.get(f"{LOGS}{rows[0].id}/around/?{query}")
    assert response.status_code == 400
    assert {error["parameter"] for error in response.json()["errors"]} == names


def test_neighbors_of_nothing(client: Client) -> None:
    assert client.get(f"{LOGS}{uuid.uuid4()}/around/").status_code == 404
    assert client.get(f"{LOGS}x/around/").status_code == 404


def fields(client: Client, query: str = "") -> Any:
    response = client.get(f"{FIELDS}?{query}")
    assert response.status_code == 200, response.content
    return response.json()


def test_members_of_contexts_are_counted(client: Client) -> None:
    store(
        {"context": {"order": 7, "a": {"b": "x"}, "ok": True, "tags": [1, "y"], "none": None}},
        {"context": {"order": 7, "a": {"b": "y"}}},
        {"context": {"order": "7", "exception": "x" * 300}},
        {"context": {}},
    )
    body = fields(client)
    assert {**body, "fields": []} == {"sampled": 4, "fields": [], "complete": True, "searched_until": None}
    found = {field["field"]: field for field in body["fields"]}
    assert list(found)[:2] == ["context.order", "context.a.b"]
    assert found["context.order"] == {
        "field": "context.order",
        "count": 3,
        "share": 0.75,
        "values": [{"value": "7", "count": 3}],
        "other": 0,
    }
    assert found["context.a.b"]["values"] == [{"value": "x", "count": 1}, {"value": "y", "count": 1}]
    assert (found["context.exception"]["values"], found["context.exception"]["other"]) == ([], 1)
    for name, value in (("ok", "true"), ("tags", '[1,"y"]'), ("none", "null")):
        assert found[f"context.{name}"]["values"] == [{"value": value, "count": 1}]


def test_each_value_can_be_filtered_by(client: Client) -> None:
    store({"context": {"order": 7, "a": {"b": "x"}, "ok": True, "tags": [1, "y"], "none": None, "dotted.key": "z"}})
    for field in fields(client)["fields"]:
        [value] = field["values"]
        assert client.get(LOGS, {field["field"]: value["value"]}).json()["total"] == 1, field


def test_the_newest_records_that_match_are_sampled(client: Client) -> None:
    store(*({"level": "ERROR" if n % 2 else "INFO", "context": {"n": n}} for n in range(10)))
    assert (fields(client, "sample=3")["sampled"], fields(client, "level!=info")["sampled"]) == (3, 5)
    assert fields(client, "query=level:error&since=-1h&sample=2")["fields"][0]["other"] == 0


def test_hostile_contexts_are_bounded(client: Client) -> None:
    deep: Any = "end"
    for _ in range(15):
        deep = {"d": deep}
    store({"context": {f"k{n}": n for n in range(3000)}}, {"context": {"deep": deep, "": 1, "x" * 300: 1}})
    body = fields(client)
    assert (body["sampled"], len(body["fields"])) == (2, 100)


def test_a_context_that_is_no_json_is_left_alone(client: Client) -> None:
    store({"context": {"a": 12345678901234567890123}})
    assert fields(client)["fields"][0]["count"] == 1


@pytest.mark.parametrize("query", ["sample=0", "sample=5001", "cursor=x", "limit=5", "field=level"])
def test_what_is_no_sample_is_named(client: Client, query: str) -> None:
    response = client.get(f"{FIELDS}?{query}")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, query.split("=", maxsplit=1)[0])


@pytest.mark.parametrize("end", ["{id}/around", "fields"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("permissions", "method", "status"),
    [
        (None, "GET", 401),
        ((), "GET", 403),
        (("add",), "GET", 403),
        (("view",), "GET", 200),
        (("view",), "HEAD", 200),
        (("view", "add"), "POST", 405),
    ],
)
def test_both_are_reading(
    client_with: Callable[..., Client], end: str, permissions: Any, method: str, status: int, slash: str
) -> None:
    [row] = store({"message": "nobody may know", "context": {"secret": "nobody may know"}})
    client = Client() if permissions is None else client_with(*permissions)
    response = client.generic(method, LOGS + end.format(id=row.id) + slash)
    assert response.status_code == status
    assert (b"nobody may know" in response.content) == (status == 200 and method == "GET")
    assert response.headers["Cache-Control"] == "private, no-store"
