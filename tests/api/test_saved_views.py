"""Saved views: whoever may read the log has views of their own, and sees those that others share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client

from systemlog.conf import conf
from systemlog.models import SavedView
from systemlog.router import SystemLogRouter
from systemlog.testing import captured_records

pytestmark = pytest.mark.django_db

URL = "/system/views/"
JSON = "application/json"


def reader(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name)
    names = ["view_systemlog", *permissions]
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="systemlog", codename__in=names))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def anna() -> Client:
    return reader("anna")


@pytest.fixture
def ben() -> Client:
    return reader("ben")


def save(client: Client, name: str = "Errors", **more: Any) -> Any:
    response = client.post(URL, {"name": name, "query": "level=ERROR", **more}, JSON)
    assert response.status_code == 201, response.content
    return response.json()


def listed(client: Client) -> list[str]:
    return [view["name"] for view in client.get(URL).json()["items"]]


def test_a_view_is_saved_and_read(anna: Client) -> None:
    response = anna.post(URL, {"name": "Errors", "query": "level=ERROR&query=%22a%22"}, JSON)
    view = response.json()
    assert {**view, "id": "", "updated": ""} == {
        "id": "",
        "name": "Errors",
        "query": "level=ERROR&query=%22a%22",
        "shared": False,
        "owner": "anna",
        "updated": "",
        "editable": True,
    }
    assert response.headers["Location"] == f"{URL}{view['id']}/"
    assert anna.get(response.headers["Location"]).json() == view
    assert anna.get(URL).json() == {"items": [view]}
    assert response.headers["Cache-Control"] == "private, no-store"


def test_own_and_shared_views_are_listed_by_name(anna: Client, ben: Client) -> None:
    for name, client, shared in (("c", anna, False), ("B", ben, True), ("a", anna, True), ("d", ben, False)):
        save(client, name, shared=shared)
    assert (listed(anna), listed(ben)) == (["a", "B", "c"], ["a", "B", "d"])


@pytest.mark.parametrize(
    ("permissions", "shared", "statuses"),
    [
        ((), False, {"GET": 404, "PUT": 404, "PATCH": 404, "DELETE": 404}),
        ((), True, {"GET": 200, "PUT": 403, "PATCH": 403, "DELETE": 403}),
        (("view_savedview", "add_savedview"), True, {"GET": 200, "PUT": 403, "PATCH": 403, "DELETE": 403}),
        (("change_savedview",), False, {"GET": 200, "PUT": 200, "PATCH": 200, "DELETE": 204}),
        (("change_savedview",), True, {"GET": 200, "PUT": 200, "PATCH": 200, "DELETE": 204}),
        (("delete_savedview",), True, {"GET": 200, "PUT": 403, "PATCH": 403, "DELETE": 204}),
    ],
)
def test_a_view_of_somebody_else(
    anna: Client, permissions: tuple[str, ...], shared: bool, statuses: dict[str, int]
) -> None:
    path = f"{URL}{save(anna, shared=shared)['id']}/"
    other = reader("other", *permissions)
    for method, status in statuses.items():
        response = other.generic(method, path, '{"name": "changed"}', JSON)
        assert (method, response.status_code) == (method, status)
        if status >= 400:
            assert response.headers["Content-Type"] == "application/problem+json"
            assert b"Errors" not in response.content
    if statuses["DELETE"] != 204:
        assert SavedView.objects.get().name == ("changed" if statuses["PATCH"] == 200 else "Errors")


def test_an_owner_changes_and_deletes_a_view(anna: Client) -> None:
    path = f"{URL}{save(anna)['id']}/"
    assert anna.patch(path, {"shared": True}, JSON).json()["shared"] is True
    changed = anna.put(path, {"name": "new"}, JSON).json()
    assert (changed["name"], changed["query"], changed["shared"]) == ("new", "", False)
    assert anna.delete(path).status_code == 204
    assert anna.get(path).status_code == 404


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("permissions", "method", "status"),
    [
        (None, "GET", 401),
        (None, "POST", 401),
        ((), "GET", 403),
        (("add",), "GET", 403),
        (("add",), "POST", 403),
        (("view",), "GET", 200),
        (("view",), "HEAD", 200),
        (("view",), "POST", 201),
        (("view",), "PUT", 405),
        ((), "PUT", 405),
        (("view",), "DELETE", 405),
    ],
)
def test_views_are_for_those_who_may_read(
    client_with: Callable[..., Client], permissions: Any, method: str, status: int, slash: str
) -> None:
    client = Client() if permissions is None else client_with(*permissions)
    assert client.generic(method, f"/system/views{slash}", '{"name": "n"}', JSON).status_code == status


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"#/name"}),
        ({"name": " "}, {"#/name"}),
        ({"name": "n" * 101}, {"#/name"}),
        ({"name": "n", "query": "q" * 8001}, {"#/query"}),
        ({"name": "n\u0000"}, {"#/name"}),
        ({"name": 7}, {"#/name"}),
        ({"name": "n", "shared": "perhaps"}, {"#/shared"}),
        ({"name": "n", "shared": 1}, {"#/shared"}),
        ({"name": "n", "shared": None}, {"#/shared"}),
        ({"name": "n", "owner": "somebody"}, {"#/owner"}),
        ([], {"#"}),
        ('"text"', {"#"}),
    ],
)
def test_what_is_no_view_is_named(anna: Client, body: Any, pointers: set[str]) -> None:
    response = anna.post(URL, body, JSON)
    assert response.status_code == 400, response.content
    assert {error["pointer"] for error in response.json()["errors"]} == pointers
    path = f"{URL}{save(anna)['id']}/"
    assert anna.put(path, body, JSON).status_code == 400


def test_views_that_are_not_there_and_parameters_that_are_none(anna: Client) -> None:
    assert anna.get(f"{URL}{uuid.uuid4()}/").status_code == 404
    assert anna.get(f"{URL}x/").status_code == 404
    assert anna.get(f"{URL}?level=error").json()["errors"][0]["parameter"] == "level"


def test_a_user_has_a_limited_number_of_views(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systemlog.api.saved_views.MAX_VIEWS", 2)
    save(anna)
    save(anna)
    assert anna.post(URL, {"name": "n"}, JSON).status_code == 409


def test_sharing_is_recorded(anna: Client) -> None:
    with captured_records() as records:
        path = f"{URL}{save(anna, shared=True)['id']}/"
        anna.patch(path, {"name": "new"}, JSON)
        anna.patch(path, {"shared": False}, JSON)
        anna.patch(path, {"shared": True}, JSON)
        anna.delete(path)
    found = [each.category for each in records if each.category in ("audit.share", "audit.unshare")]
    assert found == ["audit.share", "audit.unshare", "audit.share", "audit.unshare"]
    assert records[0].subject == f"systemlog.savedview:{path.split('/')[-2]}"


def test_a_session_needs_the_csrf_token_to_save(anna: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="anna"))
    assert strict.post(URL, {"name": "n"}, JSON).status_code == 403


def test_views_are_where_users_are(anna: Client) -> None:
    save(anna)
    tables = connections["default"].introspection.table_names()
    assert SavedView._meta.db_table in tables
    assert SavedView.objects.using("default").count() == 1
    router = SystemLogRouter()
    assert router.db_for_write(SavedView) is None
    assert router.allow_migrate("default", "systemlog", "savedview") is True
    if conf().DATABASE != "default":
        assert router.allow_migrate(conf().DATABASE, "systemlog", "savedview") is False
        assert SavedView._meta.db_table not in connections[conf().DATABASE].introspection.table_names()
