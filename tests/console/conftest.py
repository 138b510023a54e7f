"""Clients of the admin, and browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.support.browser import Visit, running_browser, sessions_of, visit
from tests.support.console import LIST, messages_of
from tests.support.explorer import Explorer, Send, send_records
from tests.support.servers import Platform, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OpenWindow = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def client_of(db: None) -> Callable[..., Client]:
    """A function that makes a client of a staff user with the named permissions of the app: `client_of("view")`."""

    def make(*permissions: str, **attributes: Any) -> Client:
        user = User.objects.create_user("+".join(permissions) or "nobody", **{"is_staff": True, **attributes})
        names = [f"{permission}_systemlog" for permission in permissions]
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="systemlog", codename__in=names))
        client = Client(headers={"Accept": "text/html,*/*;q=0.8"})
        client.force_login(user)
        return client

    return make


@pytest.fixture
def client(client_of: Callable[..., Client]) -> Client:
    """A client whose user may only read the log."""
    return client_of("view")


@pytest.fixture
def ask(client: Client) -> Callable[[str], list[str]]:
    """A function that returns the messages that the list shows for a query string."""

    def send(query: str) -> list[str]:
        response = client.get(f"{LIST}?{query}")
        assert response.status_code == 200
        assert "could not be made" not in response.content.decode()
        return messages_of(response)

    return send


@pytest.fixture(scope="session")
def sessions(shared_platform: Platform) -> dict[str, str]:
    """The session keys of the shared platform's staff, by name: `reader`, `colleague`, `bystander`, `administrator`."""
    return sessions_of(shared_platform)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium, of one module only."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def window(browser: Browser, shared_server: Server, sessions: dict[str, str]) -> OpenWindow:
    """A function that opens a window: `with window("reader", size=PHONE, scheme="dark") as visit: visit.open(…)`."""

    def open_window(who: str = "reader", **how: Any) -> AbstractContextManager[Visit]:
        return visit(browser, shared_server.url, sessions[who], **how)

    return open_window


@pytest.fixture
def send(shared_server: Server, shared_platform: Platform) -> Send:
    """A function that stores records: `send(category, {"message": …}, …)`, the newest first; it returns their ids."""
    return partial(send_records, shared_server, shared_platform.token("write"))


@pytest.fixture
def explorer(window: OpenWindow) -> Callable[..., AbstractContextManager[Explorer]]:
    """A function that opens the explorer: `with explorer(category="a") as page: …`; `who`, `size` … are a window's."""

    @contextmanager
    def open_explorer(who: str = "reader", **parameters: Any) -> Iterator[Explorer]:
        how = {name: parameters.pop(name) for name in ("size", "scheme", "timezone") if name in parameters}
        with window(who, **how) as visit:
            yield Explorer(visit).open(**parameters)

    return open_explorer
