"""Pages of records, newest first, within a budget of time: complete, or honest about how far they came.

A page is found by walking through time in slices that double, newest first (or oldest first, on the way back), until it
is full, the log ends or the budget is spent. So every answer is bounded, with or without an index, and no query has
to lock all partitions at once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import DateTimeField, QuerySet, UUIDField, Value

from systemlog.conf import conf
from systemlog.identity import MICROSECOND, instant_of
from systemlog.models import SystemLog
from systemlog.storage import BudgetSpent, Storage, storage_of
from systemlog.storage.lookups import KeyCompared
from systemlog.storage.spans import Span

MAX_COUNT = 10_000
"""A total is exact up to here."""

COUNT_BUDGET_S = 0.02
FIRST_SLICE = timedelta(hours=1)
SELECTIVE_SLICE = timedelta(days=35)
"""Where a filter leaves a handful of records, and an index finds them, the first slice may be long."""

LEAVES_OF_A_SLICE = 32
"""A query locks each partition that it may touch, with all its indexes."""

SMALLEST_SLICE = timedelta(milliseconds=1)
LONGEST_SLICE = timedelta(days=36525)
START_OF_TIME = datetime.min.replace(tzinfo=UTC)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
LOWEST_ID, HIGHEST_ID = uuid.UUID(int=0), uuid.UUID(int=(1 << 128) - 1)


class Position(NamedTuple):
    """A place in the order `(timestamp, id)`; a page starts just beyond it."""

    timestamp: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for: a filtered queryset, `since` (included) and `until` (excluded), and whether its filter is one
    that leaves a handful of records.
    """

    records: QuerySet[SystemLog]
    since: datetime | None = None
    until: datetime | None = None
    selective: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `limit` records, newest first, and how to go on.

    `older` and `newer` are where the next page in that direction starts, None where there is none. Where the budget
    was spent, `searched_until` says how far the search came, and `slice` how long the next one's first slice should be.
    """

    items: list[SystemLog]
    older: Position | None
    newer: Position | None
    searched_until: datetime | None = None
    slice: timedelta | None = None

    @property
    def complete(self) -> bool:
        """Whether everything between the page's start and its end was seen."""
        return self.searched_until is None


def find_page(
    search: Search,
    *,
    limit: int,
    after: Position | None = None,
    backwards: bool = False,
    first_slice: timedelta | None = None,
) -> Page:
    """The page beyond `after` (None: from the newest on), towards older records or, `backwards`, newer ones."""
    storage = storage_of(search.records.db)
    deadline = time.monotonic() + conf().SEARCH_BUDGET
    found: list[SystemLog] = []
    order = ("timestamp", "id") if backwards else ("-timestamp", "-id")
    records = search.records.order_by(*order)
    if after is not None:
        records = records.filter(_beyond(after, backwards))
    step = first_slice or (SELECTIVE_SLICE if search.selective else FIRST_SLICE)
    if backwards:
        walk = _slices_up(storage, _latest(search.since, after and after.timestamp), search.until, step)
    else:
        top = _earliest(search.until, after and just_after(after.timestamp))
        walk = _slices_down(storage, search.since, top, step)
    spent: Span | None = Span(after.timestamp, END_OF_TIME) if after and backwards else None
    done: Span | None = None
    with suppress(BudgetSpent), storage.budget() as allow:
        allow(conf().SEARCH_BUDGET)
        for piece in walk:
            spent = piece
            left = deadline - time.monotonic()
            if left <= 0:
                raise BudgetSpent
            allow(left)
            part = records.filter(timestamp__gte=piece.lower, timestamp__lt=piece.upper)
            found.extend(part[: limit + 1 - len(found)])
            # Until the next slice is known, what lies beyond this one is what was not searched.
            done = piece
            spent = Span(piece.upper, END_OF_TIME) if backwards else Span(START_OF_TIME, piece.lower)
            if len(found) > limit:
                break
        spent = None
    return _page(found, limit, after, backwards=backwards, spent=spent, done=done)


def count(search: Search) -> tuple[int, bool]:
    """How many records there are, and whether that is exact: up to 10,000, and if counted within 20 ms."""
    records = search.records.order_by()
    if search.since:
        records = records.filter(timestamp__gte=search.since)
    if search.until:
        records = records.filter(timestamp__lt=search.until)
    try:
        with storage_of(records.db).budget() as allow:
            allow(COUNT_BUDGET_S)
            counted = records[: MAX_COUNT + 1].count()
    except BudgetSpent:
        return 0, False
    return min(counted, MAX_COUNT), counted <= MAX_COUNT


def find_record(record_id: uuid.UUID) -> SystemLog | None:
    """The record of this id; the newest, should there be several; None if there is none.

    The instant inside a UUIDv7 spares the older partitions; they are asked only for an id that another clock made.
    """
    records = SystemLog.objects.filter(id=record_id).order_by("-timestamp")
    instant = instant_of(record_id)
    if instant is not None and (record := records.filter(timestamp__gte=instant).first()):
        return record
    return records.first()


def _beyond(position: Position, backwards: bool) -> KeyCompared:
    at = Value(position.timestamp, DateTimeField())
    return KeyCompared(">" if backwards else "<", at, Value(position.id, UUIDField()))


def _joined(spans: list[Span]) -> Iterator[Span]:
    """Neighbours made one, up to 32 of them; newest first, as they come."""
    count, joined = 0, None
    for span in spans:
        if joined is not None and span.upper == joined.lower and count < LEAVES_OF_A_SLICE:
            joined, count = Span(span.lower, joined.upper), count + 1
        else:
            if joined is not None:
                yield joined
            joined, count = span, 1
    if joined is not None:
        yield joined


def _slices_down(storage: Storage, since: datetime | None, until: datetime | None, step: timedelta) -> Iterator[Span]:
    """From `until` (or the newest) back to `since` (or the oldest); the storage is asked if one slice is not enough."""
    top, floor = until or END_OF_TIME, since or START_OF_TIME
    # What lies in the future goes with the first slice of the present.
    first = min(top, datetime.now(UTC))
    reached = max(floor, first - step if first - START_OF_TIME > step else START_OF_TIME)
    yield Span(reached, top)
    if reached <= floor:
        return
    for span in _joined(storage.spans()):
        lower, top = max(span.lower, floor), min(span.upper, reached)
        # Years without a record are crossed at once, and not in slices.
        newest = storage.newest_in(Span(lower, top)) if top > lower else None
        top = lower if newest is None else just_after(newest)
        while top > lower:
            step = min(step * 2, LONGEST_SLICE)
            bottom = max(lower, top - step if top - START_OF_TIME > step else START_OF_TIME)
            yield Span(bottom, top)
            top = bottom


def _slices_up(storage: Storage, since: datetime | None, until: datetime | None, step: timedelta) -> Iterator[Span]:
    """From `since` (or the oldest) on to `until` (or the newest)."""
    for span in reversed(list(_joined(storage.spans()))):
        bottom, ceiling = max(span.lower, since or START_OF_TIME), min(span.upper, until or END_OF_TIME)
        while bottom < ceiling:
            top = min(ceiling, bottom + step)
            yield Span(bottom, top)
            bottom, step = top, min(step * 2, LONGEST_SLICE)


def _page(
    found: list[SystemLog],
    limit: int,
    after: Position | None,
    *,
    backwards: bool,
    spent: Span | None,
    done: Span | None,
) -> Page:
    """The page of what was `found` beyond `after`: `spent` is the slice in which the budget ran out, `done` the last
    one that was searched to its end.
    """
    items = found[:limit]
    onward = _position(items[-1]) if len(found) > limit else None
    searched_until = slice_ = None
    if spent is not None:
        slice_ = min(max(SMALLEST_SLICE, _length(done) if done else _length(spent) / 4), LONGEST_SLICE)
        if backwards:
            searched_until = spent.lower
            onward = max(filter(None, (after, Position(just_before(spent.lower), HIGHEST_ID))))
        else:
            searched_until = min(spent.upper, datetime.now(UTC))
            onward = min(filter(None, (after, Position(spent.upper, LOWEST_ID))))
    back = None
    if after is not None:
        back = _position(items[0]) if items else _just_before(after, backwards)
    if backwards:
        items.reverse()
        return Page(items, older=back, newer=onward, searched_until=searched_until, slice=slice_)
    return Page(items, older=onward, newer=back, searched_until=searched_until, slice=slice_)


def _just_before(position: Position, backwards: bool) -> Position:
    """From where an empty page's way back starts: so that the record at `position` itself is seen again."""
    if backwards:
        return Position(just_after(position.timestamp), LOWEST_ID)
    return Position(just_before(position.timestamp), HIGHEST_ID)


def _length(span: Span) -> timedelta:
    """How much of the past the span covers; the first one is open towards the future."""
    return max(min(span.upper, datetime.now(UTC)) - span.lower, timedelta(0))


def just_after(instant: datetime) -> datetime:
    """The next microsecond; at the end of the calendar the instant itself."""
    return instant + MICROSECOND if instant < END_OF_TIME else instant


def just_before(instant: datetime) -> datetime:
    """The microsecond before; at the start of the calendar the instant itself."""
    return instant - MICROSECOND if instant > START_OF_TIME else instant


def _position(record: SystemLog) -> Position:
    return Position(record.timestamp, record.id)


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant), default=None)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant), default=None)
