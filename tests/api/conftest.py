"""Clients of the log API with different permissions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from systemlog.landing import Lander
from tests.support.audit import forget_changes

URL = "/system/logs/"
JSON = "application/json"
NDJSON = "application/x-ndjson"


@pytest.fixture
def client_with(db: None) -> Callable[..., Client]:
    """A function that makes a client whose user has the named permissions of the app: `client_with("view", "add")`."""

    def make(*permissions: str) -> Client:
        user = User.objects.create_user("+".join(permissions) or "nobody")
        names = [f"{permission}_systemlog" for permission in permissions]
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="systemlog", codename__in=names))
        forget_changes()  # the tests count the records that they send
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def client(client_with: Callable[..., Client]) -> Client:
    """A client whose user may read and write."""
    return client_with("view", "add")


@pytest.fixture
def post(client: Client, journal: Callable[..., Path]) -> Callable[..., Any]:
    """A function that posts to the log API and lands the accepted records."""
    folder = journal()

    def send(body: Any, content_type: str = JSON, **headers: str) -> Any:
        # An empty body would lose its type in the test client.
        response = client.post(URL, body, content_type, headers={"Content-Type": content_type, **headers})
        Lander(folder).land_all()
        return response

    return send
