"""Helpers for tests of the admin's pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from django.db import connections
from django.test.utils import CaptureQueriesContext

from systemlog.storage import Row, get_storage

LIST = "/admin/systemlog/systemlog/"


NOW = datetime.now(UTC).replace(microsecond=123_456)


class Document(HTMLParser):
    """A parsed page: its elements, its links, the text of each table row and the text of the whole page."""

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
        """Return the target of the first link that contains this text."""
        return next((href for label, href in self.links if text in label), None)


def page_of(response: Any) -> Document:
    return Document(response.content.decode())


def messages_of(response: Any) -> list[str]:
    """Return the messages of the records in the list, in order."""
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
    """Collect the SQL statements of every database in the block."""
    statements: list[str] = []
    with ExitStack() as stack:
        captured = [stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in connections]
        yield statements
    statements += [query["sql"] for context in captured for query in context.captured_queries]
