"""The explorer of the log in a browser. Elements are found by role and name, as by a screen reader."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.browser import Visit
from tests.support.console import LIST
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Locator

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/billing/charge.py", line 41, in pay
    gateway.capture(order)
    ^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/venv/lib/python3.12/site-packages/requests/sessions.py", line 589, in request
    resp = self.send(prep, **send_kwargs)
requests.exceptions.ReadTimeout: no answer from the gateway"""

PATIENCE_S = 60

Send = Callable[..., list[str]]


def new_category() -> str:
    """Return a category that no other test uses."""
    return f"shop.{uuid.uuid4().hex[:12]}"


def send_records(server: Server, token: str, category: str, *records: dict[str, Any]) -> list[str]:
    """Store records, each a second older than the previous one, and return their ids."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    ids = []
    with server.client(token) as client:
        for number, record in enumerate(records):
            at = (now - timedelta(seconds=number)).isoformat()
            answer = client.post("/system/logs/", json={"category": category, "timestamp": at, **record})
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["id"])
    return ids


@dataclass
class Explorer:
    """The page of the explorer, opened with parameters."""

    visit: Visit
    parameters: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page = self.visit.page
        self.page.set_default_timeout(PATIENCE_S * 1000)

    def open(self, **parameters: str) -> Explorer:
        """Open the page, and wait until it has searched; `source_not` is the parameter `source!`."""
        pairs = [*self.parameters, *((name.replace("_not", "!"), value) for name, value in parameters.items())]
        self.visit.open(f"{LIST}?{urlencode(pairs)}")
        self.page.locator("[data-part=progress]").wait_for(state="hidden")
        return self

    @property
    def grid(self) -> Locator:
        """The element with the list of records."""
        return self.page.get_by_role("grid", name="Records")

    @property
    def record(self) -> Locator:
        """The drawer with one record."""
        return self.page.get_by_role("complementary", name="Record")

    @property
    def alert(self) -> Locator:
        """The alert that describes a failure."""
        return self.page.get_by_role("alert")

    @property
    def chips(self) -> Locator:
        """The element with the active filters."""
        return self.page.get_by_role("list", name="Filters").get_by_role("listitem")

    @property
    def facets(self) -> Locator:
        """The element with the facets."""
        return self.page.get_by_role("region", name="Facets")

    def row(self, text: str) -> Locator:
        """Return the row that contains a text."""
        return self.grid.get_by_role("row").filter(has_text=text)

    def messages(self) -> list[str]:
        """Return the messages of the rows in view, newest first. The document has them in another order."""
        cells: list[list[Any]] = self.grid.locator("[role=row]:not(.head):visible").evaluate_all(
            "rows => rows.map(row => [+row.ariaRowIndex, row.querySelector('[data-column=message]').textContent])"
        )
        return [text for _, text in sorted(cells)]

    def shows(self, *messages: str) -> None:
        """Wait until the rows have exactly these messages."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.messages()) != list(messages):
            assert time.monotonic() < deadline, f"The rows are {found}, and not {list(messages)}."
            self.page.wait_for_timeout(20)

    def time_between(self, newer: str, older: str) -> str:
        """Return an instant between those of two rows."""
        instants = []
        for text in (newer, older):
            title = self.row(text).locator("[data-column=time]").get_attribute("title") or ""
            instants.append(datetime.fromisoformat(title.replace(" UTC", "+00:00")))
        return (instants[1] + (instants[0] - instants[1]) / 2).isoformat()

    def search(self, text: str) -> None:
        """Type a search and submit it."""
        box = self.page.get_by_role("searchbox", name="Search")
        box.fill(text)
        box.press("Enter")

    def state(self) -> list[tuple[str, str]]:
        """Return the parameters of the current URL."""
        return parse_qsl(urlsplit(self.page.evaluate("location.href")).query, keep_blank_values=True)
