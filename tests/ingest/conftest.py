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
from tests.support.elastic import NDJSON, lines
from tests.support.otlp import JSON, PROTOBUF, Export


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


@pytest.fixture
def bulk(send: Callable[..., Any]) -> Callable[..., Any]:
    """Sends lines as a bulk, and returns the statuses of the items."""

    def bulk(*values: Any, path: str = "/elastic/app/_bulk") -> list[int]:
        response = send(path, lines(*values), NDJSON)
        assert response.status_code == 200, response.content
        body = response.json()
        statuses = [item["status"] for each in body["items"] for item in each.values()]
        assert body["errors"] == any(status >= 300 for status in statuses)
        return statuses

    return bulk


@pytest.fixture(params=[JSON, PROTOBUF])
def export(request: pytest.FixtureRequest, send: Callable[..., Any]) -> Export:
    """Sends requests, in each encoding in turn."""
    return Export(send, request.param)
