"""The live tail: the records that match a query and have landed since a cursor, in the order of landing.

Every record that became visible since the cursor is found once, however old its timestamp is, and in whatever order
transactions ended. A second request with the same cursor returns the same records, so that a client whose answer was
lost can ask again.
"""

from __future__ import annotations

import json
import time
import zlib
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from django.core.signing import BadSignature, Signer

from systemlog.conf import conf
from systemlog.search.parsing.cursors import BadCursor
from systemlog.search.plan import Plan
from systemlog.search.position import Position
from systemlog.storage import BudgetSpent, Storage, get_storage
from systemlog.storage.landed import Landed, Mark

READ_AT_ONCE = 500
"""Landed records that one statement reads, to find those that match."""

MAX_PAGE_CHARACTERS = 8 * 2**20
MAX_CURSOR_CHARACTERS = 8000


@dataclass(frozen=True, slots=True)
class TailPage:
    """Up to `limit` records in the shape of the plan, the next cursor, and whether more records have landed already.

    With `gap`, the cursor that was given is too old, or of another database: there are no records, and the next cursor
    is that of now.
    """

    items: list[Any]
    after: str
    more: bool = False
    gap: bool = False


def begin_tail(plan: Plan, search: str) -> TailPage:
    """Return the cursor of now. `search` identifies the filters, to which the cursor belongs."""
    return TailPage([], encode(search, get_storage(plan.records.db).present_mark()))


def follow_tail(plan: Plan, search: str, after: str, *, limit: int) -> TailPage:
    """Return what has landed since the cursor `after`. Raises `BadCursor` for a text that is no cursor of the search.

    Where the time budget of a search ends, the page has what was found until then.
    """
    mark = decode(search, after)
    storage = get_storage(plan.records.db)
    deadline = time.monotonic() + conf().SEARCH_TIMEOUT_S
    items: list[Any] = []
    characters = 0
    while True:
        landed = storage.landed(mark, READ_AT_ONCE)
        if landed is None and not items:
            return TailPage([], encode(search, storage.present_mark()), gap=True)
        if landed is None:
            return TailPage(items, encode(search, mark), more=True)
        visible = storage.count_visible(landed)
        try:
            rows = _matching(storage, plan, landed, visible, max(deadline - time.monotonic(), 0.01))
        except BudgetSpent:
            # Asking again at once would only add to the load, if not even the first records could be read in time.
            return TailPage(items, encode(search, mark), more=bool(items))
        for count, row in rows:
            characters += plan.shape.characters(row)
            if items and (len(items) == limit or characters > MAX_PAGE_CHARACTERS):
                return TailPage(items, encode(search, mark), more=True)
            items.append(row)
            mark = landed.mark_after(count)
        mark = landed.mark_after(visible)
        more = landed.more and visible == len(landed.keys)
        if not more or len(items) == limit or time.monotonic() > deadline:
            return TailPage(items, encode(search, mark), more)


def _matching(storage: Storage, plan: Plan, landed: Landed, count: int, seconds: float) -> list[tuple[int, Any]]:
    """Return those of the first `count` landed records that match, each with its number, counted from 1."""
    if not count:
        return []
    numbers = {Position(*key): number for number, key in enumerate(landed.keys[:count], 1)}
    records = storage.records_of(plan.records, landed, count).order_by()
    if plan.since is not None:
        records = records.filter(timestamp__gte=plan.since)
    if plan.until is not None:
        records = records.filter(timestamp__lt=plan.until)
    with storage.budget() as allow:
        allow(seconds)
        # Another record may have one of the ids, with another timestamp.
        found = ((numbers.get(plan.shape.position(row)), row) for row in records)
        return sorted(((number, row) for number, row in found if number), key=lambda pair: pair[0])


def encode(search: str, mark: Mark) -> str:
    """Return a mark as a signed text, bound to the search."""
    text = zlib.compress(json.dumps([search, mark], separators=(",", ":")).encode())
    return _signer().sign(urlsafe_b64encode(text).rstrip(b"=").decode())


def decode(search: str, text: str) -> Mark:
    """Return the mark that `encode` made a text of for the same search. Raises `BadCursor` for any other text."""
    if len(text) > MAX_CURSOR_CHARACTERS:
        raise BadCursor
    try:
        text = _signer().unsign(text)
        belongs_to, mark = json.loads(
            zlib.decompress(b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        )
    except (BadSignature, ValueError, TypeError, zlib.error) as error:
        raise BadCursor from error
    if belongs_to != search or not isinstance(mark, list):
        raise BadCursor
    return mark


def _signer() -> Signer:
    return Signer(salt="systemlog.search.tail", sep=".")
