"""The permission to browse the log. No permission lets a user change it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from systemlog.models import SystemLog
from tests.support.console import LIST, page_of, store

pytestmark = pytest.mark.django_db

SECRET = "nobody may read this"


@pytest.mark.parametrize(
    ("permissions", "attributes", "status"),
    [
        (["view"], {}, 200),
        ([], {"is_superuser": True}, 200),
        ([], {}, 403),
        (["add"], {}, 403),
        (["view"], {"is_staff": False}, 302),
    ],
    ids=["view", "superuser", "nothing", "add", "not of the staff"],
)
def test_the_permission_to_view_is_needed_and_enough(
    client_of: Callable[..., Client], permissions: list[str], attributes: dict[str, Any], status: int
) -> None:
    (row,) = store({"message": SECRET})
    client = client_of(*permissions, **attributes)
    for path in (LIST, f"{LIST}{row.id}/change/"):
        response = client.get(path)
        assert response.status_code == status
        assert (SECRET in response.content.decode()) == (status == 200)


def test_who_may_not_view_finds_no_entry(client_of: Callable[..., Client]) -> None:
    assert page_of(client_of("view").get("/admin/")).link("System log records") == LIST
    assert page_of(client_of("add").get("/admin/")).link("System log records") is None


def test_who_may_not_view_learns_nothing_of_ids(client_of: Callable[..., Client]) -> None:
    (row,) = store({})
    client = client_of("add")
    for record_id in (row.id, uuid.uuid4()):
        assert client.get(f"{LIST}{record_id}/change/").status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", ["add/", "{id}/delete/"])
def test_not_even_a_superuser_adds_or_deletes(client_of: Callable[..., Client], method: str, path: str) -> None:
    (row,) = store({"message": "stays"})
    client = client_of(is_superuser=True)
    response = getattr(client, method)(LIST + path.format(id=row.id), {"message": "changed", "post": "yes"})
    assert response.status_code == 403
    assert [record.message for record in SystemLog.objects.all()] == ["stays"]


@pytest.mark.parametrize("path", ["", "{id}/change/"])
def test_not_even_a_superuser_changes_anything(client_of: Callable[..., Client], path: str) -> None:
    (row,) = store({"message": "stays"})
    client = client_of(is_superuser=True)
    data = {"message": "changed", "action": "delete_selected", "_selected_action": str(row.id), "post": "yes"}
    assert client.post(LIST + path.format(id=row.id), data).status_code == 403
    assert [record.message for record in SystemLog.objects.all()] == ["stays"]


def test_the_pages_have_no_form_but_those_that_search_and_log_out(client: Client) -> None:
    (row,) = store({})
    for path in (LIST, f"{LIST}{row.id}/change/"):
        forms = [attributes.get("id") for tag, attributes in page_of(client.get(path)).elements if tag == "form"]
        assert set(forms) <= {"changelist-search", "logout-form"}
