"""Errors that land, and clients that read their groups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from systemlog.journal import directory
from systemlog.landing import Lander
from systemlog.records.ids import mint_id, next_instant
from systemlog.records.row import Row
from tests.support.landing import write

URL = "/system/groups/"


def error(message: str = "order 7 failed", *, ago: timedelta = timedelta(0), **columns: Any) -> Row:
    """A record of level ERROR, of the present or of some time ago."""
    instant: datetime = next_instant() - ago
    row = Row(instant, mint_id(instant), "ERROR", "shop", "here", message, None, None, {}, None, None, None)
    return row._replace(**columns)


@pytest.fixture
def folder(journal: Callable[..., Path]) -> Path:
    """The folder of the present target."""
    folder = journal()
    directory.make_folder(folder)
    return folder


@pytest.fixture
def land(folder: Path, db: None) -> Callable[..., None]:
    """A function that lands records."""

    def land_rows(*rows: Row) -> None:
        write(folder, rows)
        Lander(folder).land_all()

    return land_rows


@pytest.fixture
def client_with(db: None) -> Callable[..., Client]:
    """A function that makes a client whose user has permissions of the app: `client_with("view_systemlog")`."""

    def make(*permissions: str, name: str = "") -> Client:
        user = User.objects.create_user(name or "+".join(permissions) or "nobody")
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="systemlog", codename__in=permissions)
        )
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def client(client_with: Callable[..., Client]) -> Client:
    """A client whose user may read groups and change them."""
    return client_with("view_systemlog", "change_group", name="anna")


@pytest.fixture
def groups(client: Client) -> Callable[..., list[dict[str, Any]]]:
    """A function that reads groups: `groups(state="open")`."""

    def read(**parameters: Any) -> list[dict[str, Any]]:
        response = client.get(URL, parameters)
        assert response.status_code == 200, response.content
        items: list[dict[str, Any]] = response.json()["items"]
        return items

    return read
