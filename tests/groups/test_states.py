"""States: what people say about a group, and what its records do about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from systemlog.groups.news import events_after, last_event
from systemlog.models import SystemLog
from tests.groups.conftest import URL, error

pytestmark = pytest.mark.django_db

Groups = Callable[..., list[dict[str, Any]]]
Land = Callable[..., None]


@pytest.fixture
def group(land: Land, groups: Groups) -> str:
    land(error(context={"release": "1.0"}))
    identifier: str = groups()[0]["id"]
    return identifier


def change(client: Client, group: str, **body: Any) -> Any:
    return client.patch(f"{URL}{group}/", body, "application/json")


def state(client: Client, group: str) -> str:
    found: str = client.get(f"{URL}{group}/").json()["state"]
    return found


@pytest.mark.parametrize("wanted", ["open", "resolved", "ignored"])
def test_a_state_is_given(client: Client, group: str, wanted: str) -> None:
    response = change(client, group, state=wanted)
    assert response.status_code == 200
    assert response.json()["state"] == wanted == state(client, group)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"state": "regressed"}, "/state"),
        ({"state": None}, "/state"),
        ({"state": ["open"]}, "/state"),
        ({"state": 3}, "/state"),
        ({"assigned_to": "nobody at all"}, "/assigned_to"),
        ({"assigned_to": 7}, "/assigned_to"),
        ({"assigned_to": "a\0b"}, "/assigned_to"),
        ({"title": "x"}, "/title"),
        ({"count": 0, "state": "open"}, "/count"),
        ({"resolved_in": "2.0"}, "/resolved_in"),
        ({"state": "resolved", "resolved_in": ""}, "/resolved_in"),
        ({"state": "resolved", "resolved_in": "x" * 201}, "/resolved_in"),
    ],
)
def test_any_other_change_is_refused(client: Client, group: str, body: dict[str, Any], pointer: str) -> None:
    response = change(client, group, **body)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert any(each["pointer"].endswith(pointer) for each in response.json()["errors"])
    assert state(client, group) == "open"


@pytest.mark.parametrize("body", ["[]", "3", "null", "{", '{"state": "open"'])
def test_a_body_that_is_no_object_is_refused(client: Client, group: str, body: str) -> None:
    assert client.patch(f"{URL}{group}/", body, "application/json").status_code == 400


def test_a_record_after_the_resolution_opens_a_group_again(client: Client, group: str, land: Land) -> None:
    change(client, group, state="resolved")
    land(error())
    assert state(client, group) == "regressed"


def test_a_record_of_before_the_resolution_that_lands_late_does_not(client: Client, group: str, land: Land) -> None:
    change(client, group, state="resolved")
    land(error(ago=timedelta(seconds=30)))
    assert state(client, group) == "resolved"
    assert client.get(f"{URL}{group}/").json()["count"] == 2


@pytest.mark.parametrize(
    ("resolved_in", "release", "wanted"),
    [
        ("1.1", "1.0", "resolved"),
        ("1.10", "1.9", "resolved"),
        ("1.1", "1.1", "regressed"),
        ("1.1", "1.2", "regressed"),
        ("1.1", None, "regressed"),
        ("abc", "1.0", "resolved"),
        ("abc", "def", "regressed"),
    ],
)
def test_a_record_of_an_older_release_does_not_open_it(
    client: Client, group: str, land: Land, resolved_in: str, release: str | None, wanted: str
) -> None:
    change(client, group, state="resolved", resolved_in=resolved_in)
    land(error(context={"release": release} if release else {}))
    assert state(client, group) == wanted


def test_an_ignored_group_stays_ignored_and_counts_on(client: Client, group: str, land: Land) -> None:
    change(client, group, state="ignored")
    land(error(), error())
    found = client.get(f"{URL}{group}/").json()
    assert (found["state"], found["count"]) == ("ignored", 3)


def test_a_group_is_assigned_to_a_user_and_to_nobody(client: Client, group: str) -> None:
    User.objects.create_user("zoë")
    assert change(client, group, assigned_to="zoë").json()["assigned_to"] == "zoë"
    assert client.get(URL).json()["items"][0]["assigned_to"] == "zoë"
    assert change(client, group, assigned_to=None).json()["assigned_to"] is None


def test_who_changed_what_is_in_the_audit_trail(client: Client, group: str) -> None:
    change(client, group, state="ignored", assigned_to="anna")
    change(client, group, state="ignored")
    record = SystemLog.objects.get(category="audit.update", subject__startswith="systemlog.group:")
    anna = User.objects.get(username="anna")
    assert (record.subject, record.user_id) == (f"systemlog.group:{group}", str(anna.pk))
    assert record.context["changes"] == {"state": ["open", "ignored"], "assigned_to": [None, str(anna.pk)]}
    assert record.correlation_id


def test_a_new_group_and_one_that_comes_back_are_events(client: Client, land: Land) -> None:
    before = last_event()
    land(error(level="CRITICAL"), error())
    land(error())
    (new,) = events_after(before)
    assert (new.kind, new.level, new.category, new.source) == ("new", "CRITICAL", "shop", "here")
    change(client, new.group_id, state="resolved")
    land(error(ago=timedelta(minutes=1)))
    assert events_after(new.id) == []
    land(error(), error())
    land(error())
    (back,) = events_after(new.id)
    assert (back.kind, back.group_id) == ("regressed", new.group_id)


@pytest.mark.parametrize(
    ("permissions", "read", "write"),
    [
        (None, 401, 401),
        ((), 403, 403),
        (("view_systemlog",), 200, 403),
        (("add_systemlog",), 403, 403),
        (("change_group",), 403, 200),
        (("view_systemlog", "change_group"), 200, 200),
    ],
)
def test_who_may_read_and_who_may_change(
    client_with: Callable[..., Client], group: str, permissions: Any, read: int, write: int
) -> None:
    one = Client() if permissions is None else client_with(*permissions)
    assert one.get(URL).status_code == read
    assert one.head(f"{URL}{group}").status_code == read
    assert one.get(f"{URL}{group}/").status_code == read
    response = change(one, group, state="ignored")
    assert response.status_code == write
    assert ("order" in response.content.decode()) == (read == write == 200)
    for method, path in (("post", URL), ("delete", f"{URL}{group}/"), ("put", f"{URL}{group}/"), ("patch", URL)):
        assert getattr(one, method)(path, {}, "application/json").status_code == (401 if permissions is None else 405)


@pytest.mark.parametrize("group_id", ["0" * 16, "x" * 33, "short", "no-such_group", "%00aaaaaaaa"])
def test_a_group_that_is_none_is_not_found(client: Client, group_id: str) -> None:
    assert client.get(f"{URL}{group_id}/").status_code == 404
    assert change(client, group_id, state="open").status_code == 404
