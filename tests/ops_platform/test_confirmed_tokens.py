"""Tokens that were confirmed lately cost no query, and what was withdrawn is refused within seconds."""

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

from ops_platform import confirmed, remembered
from ops_platform.tokens import issue
from systemlog.models import SystemLog
from tests.support.console import queries

pytestmark = pytest.mark.django_db

LOGS = "/system/logs/"
REFUSED_S = 5


@pytest.fixture(autouse=True)
def _nothing_is_known(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path
    confirmed.forget_all()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for the memory of tokens."""
    passed = 0.0

    def wait(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        now = time.monotonic()
        monkeypatch.setattr("ops_platform.confirmed.time.monotonic", lambda: now + passed)

    return wait


@pytest.fixture
def ask() -> Callable[..., int]:
    token = issue("shipper", ["read", "write"])
    client = Client(headers={"Authorization": f"Bearer {token}"})

    def ask(method: str = "GET") -> int:
        return client.generic(method, LOGS, '{"message": "m"}', "application/json").status_code

    assert (ask(), ask("POST")) == (200, 201)
    return ask


def test_a_confirmed_token_costs_no_query(ask: Callable[..., int]) -> None:
    with queries() as statements:
        assert ask() == 200
    assert not [sql for sql in statements if "knox_" in sql or "auth_" in sql]


CHANGES: dict[str, tuple[Callable[[], object], int]] = {
    "a withdrawn token": (lambda: AuthToken.objects.all()._raw_delete("default"), 401),
    "an expired token": (lambda: AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1)), 401),
    "a deactivated user": (lambda: User.objects.update(is_active=False), 401),
    "a deleted permission": (lambda: User.user_permissions.through.objects.all()._raw_delete("default"), 403),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("marks", [True, False])
def test_what_another_process_changed_is_noticed_within_five_seconds(
    ask: Callable[..., int], later: Callable[[float], None], settings: Any, name: str, marks: bool
) -> None:
    settings.REMEMBER_TOKENS = marks
    change, status = CHANGES[name]
    change()
    later(REFUSED_S)
    assert (ask(), ask("POST")) == (status, status)


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


def test_a_token_that_another_worker_has_refused_is_refused_at_once(ask: Callable[..., int]) -> None:
    digest = AuthToken.objects.get().digest
    AuthToken.objects.all()._raw_delete("default")
    assert ask() == 200
    remembered._mark(digest).unlink()  # as the other worker does
    assert ask() == 401


def test_without_marks_a_token_is_refused_by_all_workers_within_a_second(
    ask: Callable[..., int], later: Callable[[float], None], settings: Any
) -> None:
    settings.REMEMBER_TOKENS = False
    confirmed.forget_all()
    assert ask() == 200
    AuthToken.objects.all()._raw_delete("default")
    later(1)
    assert ask() == 401


def test_a_confirmed_token_expires_in_time(ask: Callable[..., int]) -> None:
    AuthToken.objects.update(expiry=timezone.now() + timedelta(seconds=0.2))
    confirmed.forget_all()
    assert ask() == 200
    deadline = time.monotonic() + 2
    while ask() == 200:
        assert time.monotonic() < deadline


def test_no_more_tokens_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmed, "MAX_CONFIRMED", 2)
    for number in range(3):
        confirmed.confirm(str(number), AuthToken())
    assert len(confirmed._confirmed) == 2


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
