"""The pages of the error groups in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from systemlog.console.operations import groups_part
from systemlog.console.policy import HEADER
from systemlog.models import Group, SystemLog
from systemlog.storage import get_storage
from tests.fingerprints.samples import CHANGES, PYTHON
from tests.groups.conftest import error

pytestmark = pytest.mark.django_db

LIST = "/admin/systemlog/group/"


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """A function that makes a client of a staff user with permissions of the app."""

    def make(*permissions: str, **attributes: Any) -> Client:
        user = User.objects.create_user("+".join(permissions) or "nobody", **{"is_staff": True, **attributes})
        names = Permission.objects.filter(content_type__app_label="systemlog", codename__in=permissions)
        user.user_permissions.set(names)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def editor(staff: Callable[..., Client]) -> Client:
    """A client who may read and change groups."""
    return staff("view_systemlog", "change_group")


@pytest.fixture
def group(editor: Client) -> Group:
    rows = [
        error("failed <b>", user_id="u1", context={"exception": PYTHON.format(**change), "release": "1.0"})
        for change in CHANGES
    ]
    get_storage().insert([*rows, error("<script>alert(1)</script>")])
    editor.get(LIST)
    return Group.objects.get(kind="exception")


def test_the_list_shows_groups_with_sparklines(editor: Client, group: Group) -> None:
    page = editor.get(LIST).content.decode()
    assert "PaymentRefused: order 1001 was refused" in page
    assert page.count("systemlog-sparkline") == 2
    assert "<script>alert" not in page
    assert f'href="{LIST}{group.id}/change/"' in page


def test_what_hides_in_a_title_is_shown_and_nothing_is_stored(editor: Client) -> None:
    row = error("over\u202eride \x1b[31m", user_id="u\u200b1", source="s\u2066")
    get_storage().insert([row])
    for path in (LIST, f"{LIST}{SystemLog.objects.get(id=row.id).group}/change/"):
        response = editor.get(path)
        assert {"private", "no-store"} <= set(response.headers["Cache-Control"].split(", "))
        page = response.content.decode()
        assert "over⟨U+202E⟩ride ␛[" in page
        assert not {"\u202e", "\x1b", "\u200b", "\u2066"} & set(page)


@pytest.mark.parametrize(
    ("query", "shown"),
    [("state=open", True), ("state=ignored", False), ("q=payment", True), ("q=nothing", False), ("category=x", False),
     ("cursor=bad", True), ("since=-1h", True), ("q=%00", True)],
)  # fmt: skip
def test_the_list_is_filtered(editor: Client, group: Group, query: str, shown: bool) -> None:
    page = editor.get(f"{LIST}?{query}").content.decode()
    assert ("PaymentRefused" in page) == shown


@pytest.mark.parametrize(("action", "state"), [("resolve", "resolved"), ("ignore", "ignored"), ("reopen", "open")])
def test_selected_groups_are_changed(editor: Client, group: Group, action: str, state: str) -> None:
    response = editor.post(LIST, {"action": action, "group": [group.id, "0" * 16]}, follow=True)
    assert "1 error group:" in response.content.decode()
    assert {each.id: each.state for each in Group.objects.all()}[group.id] == state
    assert Group.objects.exclude(id=group.id).get().state == "open"


def test_a_group_shows_its_newest_record_frames_users_and_records(editor: Client, group: Group) -> None:
    page = editor.get(f"{LIST}{group.id}/change/").content.decode()
    newest = SystemLog.objects.filter(group=group.id).first()
    assert newest is not None
    for text in ("billing/gateway.py:pay", "billing/views.py:charge", "failed &lt;b&gt;", "1.0", "u1", "<svg"):
        assert text in page
    assert f"?group={group.id}" in page
    assert f"/admin/systemlog/systemlog/{newest.id}/change/" in page
    assert editor.get(f"/admin/systemlog/systemlog/?group={group.id}").status_code == 200
    record = editor.get(f"/admin/systemlog/systemlog/{newest.id}/change/").content.decode()
    assert f"{LIST}{group.id}/change/" in record


def test_a_group_is_resolved_in_a_release_and_assigned(editor: Client, group: Group) -> None:
    path = f"{LIST}{group.id}/change/"
    editor.post(path, {"action": "resolve", "resolved_in": " 1.1 "})
    editor.post(path, {"action": "assign", "assigned_to": "view_systemlog+change_group"})
    group.refresh_from_db()
    assert (group.state, group.resolved_in) == ("resolved", "1.1")
    assert "view_systemlog+change_group" in editor.get(path).content.decode()
    assert (
        "There is no active user"
        in editor.post(path, {"action": "assign", "assigned_to": "x"}, follow=True).content.decode()
    )
    changes = SystemLog.objects.filter(subject=f"systemlog.group:{group.id}", category="audit.update")
    assert changes.count() == 2


def test_a_group_without_records_says_so(editor: Client, group: Group) -> None:
    Group.objects.filter(id=group.id).update(pruned=2, count=0)
    SystemLog.objects.filter(group=group.id)._raw_delete(SystemLog.objects.db)
    page = editor.get(f"{LIST}{group.id}/change/").content.decode()
    assert "retention has removed" in page


@pytest.mark.parametrize(
    ("permissions", "attributes", "read", "change"),
    [
        (("view_systemlog",), {}, 200, 403),
        (("view_systemlog", "change_group"), {}, 200, 302),
        (("change_group",), {}, 403, 403),
        ((), {}, 403, 403),
        (("view_systemlog", "change_group"), {"is_staff": False}, 302, 302),
        ((), {"is_superuser": True}, 200, 302),
    ],
)
def test_who_may_see_and_who_may_change(
    staff: Callable[..., Client], group: Group, permissions: Any, attributes: Any, read: int, change: int
) -> None:
    User.objects.filter(username="view_systemlog+change_group").delete()
    client = staff(*permissions, **attributes)
    for path in (LIST, f"{LIST}{group.id}/change/"):
        response = client.get(path)
        assert response.status_code == read
        assert ("PaymentRefused" in response.content.decode()) == (read == 200)
        if read == 200:
            assert "require-trusted-types-for" in response.headers[HEADER]
            assert ('name="action"' in response.content.decode()) == (change == 302)
        assert client.post(path, {"action": "ignore", "group": group.id}).status_code == change
    group.refresh_from_db()
    assert (group.state == "ignored") == (change == 302 and attributes.get("is_staff", True))
    assert client.get(f"{LIST}add/").status_code in (302, 403)
    assert client.get(f"{LIST}{group.id}/delete/").status_code in (302, 403)


def test_a_group_that_is_none_leads_to_the_index(editor: Client) -> None:
    assert editor.get(f"{LIST}{'0' * 16}/change/").status_code == 302


def test_a_change_needs_the_token_of_its_form(editor: Client, group: Group) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="view_systemlog+change_group"))
    assert strict.post(LIST, {"action": "ignore", "group": group.id}).status_code == 403


def test_the_operations_page_has_the_numbers_of_groups(editor: Client, group: Group) -> None:
    reader = User.objects.get(username="view_systemlog+change_group")
    report = groups_part.read(reader)
    assert report is not None
    assert report.summary == "2 errors are open."
    assert report.link == LIST
    assert groups_part.read(User.objects.create_user("nobody at all")) is None
