"""POST of one record, and its identity."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

URL = "/system/logs/"
Post = Callable[..., Any]


def test_one_record_is_created_and_can_be_read_where_its_location_says(post: Post, client: Client) -> None:
    sent = {"message": "charge failed", "level": "error", "category": "billing", "context": {"order": 7}}
    response = post(sent)
    assert response.status_code == 201
    body = response.json()
    assert body | sent | {"level": "ERROR"} == body
    assert body["correlation_id"] == response.headers["X-Request-ID"]
    assert response.headers["Location"] == f"http://testserver{URL}{body['id']}/"
    assert client.get(response.headers["Location"]).json() == body


def test_a_repeated_record_is_stored_once_and_answered_200(post: Post) -> None:
    sent = {"message": "m", "id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z"}
    first, second = post(sent), post(sent)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert SystemLog.objects.count() == 1


def test_what_may_be_sent_instead_is_named(post: Post) -> None:
    assert post("x", "text/plain").headers["Accept"] == "application/json, application/x-ndjson"
    response = post(b"x", "application/json", **{"Content-Encoding": "br"})
    assert (response.status_code, response.headers["Accept-Encoding"]) == (415, "gzip")


def test_errors_beyond_the_limit_are_counted(post: Post) -> None:
    record = {"message": "m", **{f"unknown_{number}": 1 for number in range(20_000)}}

    single = post(record).json()
    assert (len(single["errors"]), single["errors_omitted"]) == (20, 19_980)

    [item] = post([record]).json()["errors"]
    assert (len(item["errors"]), item["errors_omitted"]) == (20, 19_980)


@pytest.mark.parametrize("name", ["", "non_field_errors", "__all__"])
def test_an_unknown_member_is_pointed_at_whatever_its_name(post: Post, name: str) -> None:
    [error] = post({"message": "m", name: 1}).json()["errors"]
    assert (error["pointer"], error["code"]) == (f"#/{name}", "unknown")

    [item] = post([{"message": "m", name: 1}]).json()["errors"]
    assert item["errors"][0]["pointer"] == f"#/0/{name}"


@pytest.mark.parametrize(
    "context",
    [{"n": [1, 1.5, -0.0, 1e23, 1.7e308, 10**30, None, True, "é"]}, {}, {"password": "hunter2", "a": {"b": [{}]}}],
)
def test_a_record_is_repeated_whatever_its_context_holds(post: Post, context: dict[str, Any]) -> None:
    sent = {"message": "m", "id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z", "context": context}
    assert [post(sent).status_code for _ in range(2)] == [201, 200]


def test_fields_that_are_not_sent_again_are_not_compared(post: Post) -> None:
    key = {"id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z"}
    post({**key, "message": "m", "category": "billing", "user_id": "7"})
    assert post({**key, "message": "m"}).status_code == 200


@pytest.mark.parametrize(
    "other",
    [{"message": "other"}, {"level": "ERROR"}, {"context": {"a": True}}, {"context": {}}, {"user_id": "8"}],
)
def test_another_record_of_the_same_key_is_a_conflict_that_shows_nothing(post: Post, other: dict[str, Any]) -> None:
    sent = {"message": "stored", "context": {"a": 1}, "id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z"}
    post(sent)

    response = post({**sent, **other})

    assert response.status_code == 409
    assert response.json()["type"] == "/problems/record-exists"
    assert "stored" not in response.content.decode()
    assert [(record.message, record.context) for record in SystemLog.objects.all()] == [("stored", {"a": 1})]


def test_another_writer_cannot_take_a_key_for_itself(client_with: Callable[..., Client]) -> None:
    sent = {"message": "m", "id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z"}
    statuses = [
        client_with(*rights).post(URL, sent, "application/json").status_code for rights in (("add",), ("add", "view"))
    ]
    assert statuses == [201, 409]


def test_what_is_wrong_with_a_record_is_named_and_its_value_is_not(post: Post) -> None:
    response = post({"message": " ", "level": "hunter2", "a/b~c": "hunter2"})
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert {error["pointer"] for error in problem["errors"]} == {"#/message", "#/level", "#/a~1b~0c"}
    assert {error["code"] for error in problem["errors"]} == {"blank", "invalid_choice", "unknown"}
    assert "hunter2" not in response.content.decode()
    assert not SystemLog.objects.exists()
