"""Fixtures that send records in each protocol, as a user who may write, and read the landed records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from knox.models import AuthToken

from systemlog.landing import Lander
from systemlog.models import SystemLog


@pytest.fixture
def new_token(db: None) -> Callable[..., str]:
    """Issues a token of a user with only the named permissions: `new_token("add")`."""

    def issue(*permissions: str, name: str = "") -> str:
        user, _ = User.objects.get_or_create(username=name or "+".join(permissions) or "nobody")
        names = [f"{permission}_systemlog" for permission in permissions]
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="systemlog", codename__in=names))
        _, token = AuthToken.objects.create(user)
        return str(token)

    return issue


@pytest.fixture
def token(new_token: Callable[..., str]) -> str:
    """A token that may write."""
    return new_token("add")


@pytest.fixture
def folder(journal: Callable[..., Path]) -> Path:
    """The folder of the journal."""
    return journal()


@pytest.fixture
def send(token: str, folder: Path) -> Callable[..., Any]:
    """Sends a body to a path: `send("/v1/logs", body, "application/json")`."""
    client = Client(raise_request_exception=False)

    def send(path: str, body: bytes = b"", content_type: str = "application/json", **given: Any) -> Any:
        method = given.pop("method", "POST")
        headers = {"Authorization": f"Bearer {given.pop('token', token)}", "Content-Type": content_type}
        headers = {name: value for name, value in (headers | given.pop("headers", {})).items() if value is not None}
        return client.generic(method, path, body, content_type, headers=headers, **given)

    return send


@pytest.fixture
def stored(folder: Path) -> Callable[[], list[SystemLog]]:
    """Lands the journal, and returns the records that a user sent, oldest first."""

    def read() -> list[SystemLog]:
        Lander(folder).land_all()
        return list(SystemLog.objects.exclude(recorded_by=None).order_by("timestamp", "id"))

    return read


@pytest.fixture
def the_record(stored: Callable[[], list[SystemLog]]) -> Callable[[], SystemLog]:
    """Lands the journal, and returns its only record."""

    def read() -> SystemLog:
        [record] = stored()
        return record

    return read


@pytest.fixture
def full_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A journal without room."""
    from systemlog.journal import backends

    class Full:
        def append(self, line: bytes) -> bool:
            return False

        def append_many(self, lines: Any, writer: Any = None) -> int:
            return 0

        def close(self) -> None: ...

    before = backends.replace(Full())
    yield
    backends.replace(before)
