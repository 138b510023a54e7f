"""Tokens that the database confirmed lately cost no query, and what was withdrawn is refused within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from ops_platform import remembered
from ops_platform.compat import token_digest
from ops_platform.tokens import issue
from systemlog.models import SystemLog
from tests.support.console import queries

pytestmark = pytest.mark.django_db

LOGS = "/system/logs/"
PROMISED_S = 5
DEADLINE_S = 20


@pytest.fixture(autouse=True)
def var_dir(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A confirmation ends after a tenth of the time that is promised to be enough."""
    assert remembered.CONFIRMED_S < PROMISED_S
    monkeypatch.setattr(remembered, "CONFIRMED_S", 0.3)


@pytest.fixture
def token() -> str:
    return issue("shipper", ["read", "write"])


@pytest.fixture
def ask(token: str) -> Callable[..., int]:
    """Return the status of a request with a token that the database has just confirmed."""
    client = Client(headers={"Authorization": f"Bearer {token}"})

    def ask(method: str = "GET") -> int:
        return client.generic(method, LOGS, '{"message": "m"}', "application/json").status_code

    assert (ask(), ask("POST")) == (200, 201)
    return ask


def becomes(status: int, ask: Callable[[], int]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while ask() != status:
        assert time.monotonic() < deadline


def asked_about_tokens(ask: Callable[[], int]) -> list[str]:
    with queries() as statements:
        assert ask() == 200
    return [sql for sql in statements if "knox_" in sql or "auth_" in sql]


def test_a_confirmed_token_costs_no_query(ask: Callable[..., int]) -> None:
    assert not asked_about_tokens(ask)


@pytest.mark.any_database
def test_a_token_that_must_not_be_remembered_is_asked_for_each_time(settings: Any, ask: Callable[..., int]) -> None:
    settings.REMEMBER_TOKENS = False
    assert asked_about_tokens(ask)
    AuthToken.objects.all()._raw_delete("default")
    assert ask() == 401


CHANGES: dict[str, tuple[Callable[[], object], int]] = {
    "a withdrawn token": (lambda: AuthToken.objects.all()._raw_delete("default"), 401),
    "an expired token": (lambda: AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1)), 401),
    "a deactivated user": (lambda: User.objects.update(is_active=False), 401),
    "a withdrawn permission": (lambda: User.user_permissions.through.objects.all()._raw_delete("default"), 403),
}


@pytest.mark.any_database
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", CHANGES)
def test_what_another_process_changed_is_noticed_soon(ask: Callable[..., int], name: str) -> None:
    change, status = CHANGES[name]
    change()
    becomes(status, ask)
    assert ask("POST") == status


@pytest.mark.any_database
def test_what_this_process_changed_is_noticed_at_once(ask: Callable[..., int]) -> None:
    user = User.objects.get(username="shipper")
    user.user_permissions.clear()
    assert ask() == 403
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="systemlog"))
    assert ask() == 200
    user.is_active = False
    user.save()
    assert ask() == 401
    user.is_active = True
    user.save()
    assert ask() == 200
    AuthToken.objects.all().delete()
    assert ask() == 401


@pytest.mark.any_database
def test_a_token_that_another_worker_has_refused_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, token: str, ask: Callable[..., int]
) -> None:
    AuthToken.objects.all()._raw_delete("default")
    with monkeypatch.context() as other_worker:
        other_worker.setattr(remembered, "_known", {})
        remembered.forget(token_digest(token))
    assert ask() == 401


@pytest.mark.any_database
def test_a_confirmed_token_expires_in_time(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setattr(remembered, "CONFIRMED_S", 10 * DEADLINE_S)
    AuthToken.objects.update(expiry=timezone.now() + timedelta(seconds=1))
    client = Client(headers={"Authorization": f"Bearer {token}"})
    becomes(401, lambda: client.get(LOGS).status_code)


@pytest.mark.any_database
def test_a_superuser_or_a_member_of_a_group_gets_no_rights_by_a_confirmed_token() -> None:
    token = issue("shipper", ["write"])
    group = Group.objects.create(name="readers")
    group.permissions.set(Permission.objects.filter(codename="view_systemlog"))
    user = User.objects.get(username="shipper")
    user.groups.add(group)
    User.objects.update(is_superuser=True)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    assert [client.get(LOGS).status_code for _ in range(2)] == [403, 403]


@pytest.mark.any_database
def test_no_more_tokens_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setattr(remembered, "MAX_REMEMBERED", 2)
    monkeypatch.setattr(remembered, "_known", {})
    for each in [token, *(issue(f"shipper{number}", ["read"]) for number in range(3))]:
        assert Client(headers={"Authorization": f"Bearer {each}"}).get(LOGS).status_code in (200, 403)
    for number in range(20):
        assert Client(headers={"Authorization": f"Bearer unknown{number}"}).get(LOGS).status_code == 401
    assert len(remembered._known) == 2


@pytest.mark.any_database
@pytest.mark.parametrize("right", ["group", "superuser"])
def test_a_session_loses_its_rights_at_once(right: str) -> None:
    SystemLog.objects.create(message="m")
    user = User.objects.create_user("ada", is_superuser=right == "superuser")
    group = Group.objects.create(name="readers")
    if right == "group":
        group.permissions.set(Permission.objects.filter(codename="view_systemlog"))
        user.groups.add(group)
    client = Client()
    client.force_login(user)
    assert client.get(LOGS).status_code == 200
    group.permissions.clear()
    User.objects.update(is_superuser=False)
    assert client.get(LOGS).status_code == 403


@pytest.mark.any_database
def test_a_session_ends_at_once_with_its_password() -> None:
    user = User.objects.create_user("ada", is_superuser=True, password="old")
    client = Client()
    client.force_login(user)
    assert client.get(LOGS).status_code == 200
    user.set_password("new")
    User.objects.update(password=user.password)
    assert client.get(LOGS).status_code in (401, 403)
