"""Who browses, what there is to see, and pages as a browser reads them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from systemlog.storage import Row, get_storage

LIST = "/admin/systemlog/systemlog/"
NOW = datetime.now(UTC).replace(microsecond=123_456)


class Document(HTMLParser):
    """A page: its elements, its links, the text of each table row and the text of the whole."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.links: list[tuple[str, str]] = []
        self.rows: list[str] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "a":
            self.links.append(("", dict(attrs).get("href") or ""))
        if tag == "tr":
            self.rows.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        if "a" in self._inside:
            text, href = self.links.pop()
            self.links.append((text + data, href))
        if "tr" in self._inside:
            self.rows[-1] += data

    def link(self, text: str) -> str | None:
        """Where the first link with this text in it goes to."""
        return next((href for label, href in self.links if text in label), None)


def page_of(response: Any) -> Document:
    return Document(response.content.decode())


def messages_of(response: Any) -> list[str]:
    """The messages of the records in the list, in the order in which they stand there."""
    html = response.content.decode()
    parts = html.split('<td class="systemlog-message"><div>')[1:]
    return [part.split("</div>")[0] for part in parts]


def store(*records: dict[str, Any]) -> list[Row]:
    rows = []
    for number, columns in enumerate(records):
        timestamp = columns.get("timestamp", NOW - timedelta(seconds=number))
        blank = Row(timestamp, uuid.uuid4(), "INFO", "general", "", "m", None, None, {}, None, None, None)
        rows.append(blank._replace(**columns))
    get_storage().insert(rows)
    return rows


@contextmanager
def queries() -> Iterator[list[str]]:
    """The statements that run in the block, on every database."""
    statements: list[str] = []
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in connections]
        yield statements
    statements += [query["sql"] for context in captured for query in context.captured_queries]


@pytest.fixture
def client_of(db: None) -> Callable[..., Client]:
    """Makes a client whose user is of the staff and has the named permissions of the app: `client_of("view")`."""

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
    """Of a user who may read the log, and nothing else."""
    return client_of("view")


@pytest.fixture
def ask(client: Client) -> Callable[[str], list[str]]:
    """The messages that the list shows for a query."""

    def send(query: str) -> list[str]:
        response = client.get(f"{LIST}?{query}")
        assert response.status_code == 200
        assert "could not be made" not in response.content.decode()
        return messages_of(response)

    return send
