"""Pages of records, newest first, within a budget of time: complete, or honest about how far they came.

A page is found slice by slice of time, newest first (or oldest first, on the way back), until it is full, the log ends
or the budget is spent. It is full when it has as many records as asked for, or as many bytes as an answer may have.
"""

from __future__ import annotations

import marshal
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, NamedTuple, cast

from django.db import OperationalError, transaction
from django.db.models import DateTimeField, Q, QuerySet, UUIDField, Value

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.records.ids import instant_of
from systemlog.search.time_walk import (
    END_OF_TIME,
    FIRST_SLICE,
    INDEXED_SLICE,
    LONGEST_SLICE,
    SMALLEST_SLICE,
    START_OF_TIME,
    just_after,
    just_before,
    length,
    slices_down,
    slices_up,
)
from systemlog.storage import BudgetSpent, Storage, get_storage
from systemlog.storage.calendar import Span
from systemlog.storage.expressions import KeyCompared
from systemlog.storage.lookups import By, Lookup

MAX_PAGE_CHARACTERS = 8 * 2**20
"""A page ends early where messages and contexts come to this: each of them may have 64 KiB."""

FEW = 1000
"""Of so many records of a selective filter, those that fit the other filters are picked one by one."""

CHUNK_ROWS = 256
"""So many records are fetched at once."""

LOWEST_ID, HIGHEST_ID = uuid.UUID(int=0), uuid.UUID(int=(1 << 128) - 1)


class Position(NamedTuple):
    """A place in the order `(timestamp, id)`; a page starts just beyond it."""

    timestamp: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for: a filtered queryset, `since` (included) and `until` (excluded).

    `lookup`: how an index finds the records; `alone`: exactly these, there is no other filter. `selective`: they are a
    handful. `indexed`: an index has the records by time. `rollup`: the same filters, put to the roll-up; None where
    that cannot answer them.
    """

    records: QuerySet[SystemLog, Any]
    since: datetime | None = None
    until: datetime | None = None
    lookup: Lookup | None = None
    alone: bool = False
    selective: bool = False
    indexed: bool = False
    rollup: Q | None = None

    def within(self, span: Span) -> QuerySet[SystemLog, Any]:
        """The records in a part of the time that is searched."""
        lower = max(span.lower, self.since or START_OF_TIME)
        upper = min(span.upper, self.until or END_OF_TIME)
        return inside(self.records, Span(lower, upper))


class TimeBudget:
    """The budget of one search, as it is spent statement by statement."""

    def __init__(self, allow: Callable[[float], None], seconds: float) -> None:
        self._allow = allow
        self._deadline = time.monotonic() + seconds
        self._told = seconds
        allow(seconds)

    def check(self) -> None:
        """Before a statement: let it take no longer than what is left. Raises `BudgetSpent` if that is nothing."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise BudgetSpent
        # To tell the database costs a statement.
        if left < self._told * 0.9:
            self._told = left
            self._allow(left)


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `limit` records, newest first (what the search's queryset gives), and how to go on.

    `older` and `newer` are where the next page in that direction starts, None where there is none. Where the budget
    was spent, `searched_until` says how far the search came, and `slice` how long the next one's first slice should be.
    """

    items: list[Any]
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
    then: Callable[[list[Any], Callable[[float], None]], None] | None = None,
) -> Page:
    """The page beyond `after` (None: from the newest on), towards older records or, `backwards`, newer ones.

    If it is full, `then` is called with its records in the same transaction, and may go on with a budget of its own:
    each statement less is a round trip less.
    """
    storage = get_storage(search.records.db)
    found: list[Any] = []

    def wanted() -> int:
        return limit + 1 - len(found)

    order = ("timestamp", "id") if backwards else ("-timestamp", "-id")
    records = search.records.order_by(*order)
    if after is not None:
        records = records.filter(_beyond(after, backwards))
    step = first_slice or (LONGEST_SLICE if search.selective else INDEXED_SLICE if search.indexed else FIRST_SLICE)
    # The slice that is being searched: before the walk knows where its first one ends, as long as it is meant to be.
    spent: Span | None
    if backwards:
        bottom = _latest(search.since, after and after.timestamp)
        walk = slices_up(storage, bottom, search.until, step)
        spent = Span(bottom or START_OF_TIME, END_OF_TIME)
    else:
        top = _earliest(search.until, after and just_after(after.timestamp))
        walk = slices_down(storage, search.since, top, step, lambda: wanted() / len(found) if found else inf)
        start = min(top or END_OF_TIME, datetime.now(UTC))
        spent = Span(start - min(step, start - START_OF_TIME), top or END_OF_TIME)
    done: Span | None = None
    characters = 0
    with suppress(BudgetSpent), storage.budget() as allow:
        allowance = TimeBudget(allow, conf().SEARCH_TIMEOUT_S)
        if backwards or first_slice:
            search = replace(search, lookup=None)
        for part, piece in _parts(storage, search, records, walk, after, wanted):
            spent = piece
            allowance.check()
            for record in _fetched(part[: wanted()], wanted(), allowance):
                characters += _characters(record)
                if characters > MAX_PAGE_CHARACTERS and found:
                    limit = len(found)
                found.append(record)
                if len(found) > limit:
                    break
            # Until the next slice is known, what lies beyond this one is what was not searched.
            done = piece
            spent = Span(piece.upper, END_OF_TIME) if backwards else Span(START_OF_TIME, piece.lower)
            if len(found) > limit:
                break
        spent = None
        if then and len(found) > limit:
            then(found[:limit], allow)
    return _page(found, limit, after, backwards=backwards, spent=spent, done=done)


def find_record(record_id: uuid.UUID) -> SystemLog | None:
    """The record of this id; the newest, should there be several; None if there is none.

    Where no function looks it up, or has to wait for a partition, the instant inside a UUIDv7 spares the older ones;
    they are asked only for an id that another clock made.
    """
    records = SystemLog.objects.filter(id=record_id).order_by("-timestamp")
    found = get_storage(records.db).look_up(records, Lookup(By.ID, str(record_id)), most=1)
    if found is not None:
        try:
            return found.first()
        except OperationalError:  # somebody has locked a partition, perhaps
            if transaction.get_connection(records.db).in_atomic_block:
                raise
    # Plain SQL can store what lies beyond all dates of Python.
    records = records.filter(timestamp__gte=START_OF_TIME, timestamp__lte=END_OF_TIME)
    instant = instant_of(record_id)
    if instant is not None and (record := records.filter(timestamp__gte=instant).first()):
        return record
    return records.first()


def position_of(record: Any) -> Position:
    """The place of a record, or of a row of `systemlog.search.rows`."""
    if hasattr(record, "time_text"):
        return Position(datetime.fromisoformat(record.time_text), uuid.UUID(record.id_text))
    return Position(record.timestamp, record.id)


def inside(records: QuerySet[SystemLog, Any], span: Span) -> QuerySet[SystemLog, Any]:
    """The records in the span.

    An end of time is no condition: to judge one, the planner looks for the first or the last key of each partition,
    which takes longer than all the rest of a short query. Where a partition has no end, it stays: plain SQL can store
    there what Python has no date for.
    """
    partitions = get_storage(records.db).partition_spans()  # newest first
    bounds = {}
    if span.lower > START_OF_TIME or not partitions or partitions[-1].lower == START_OF_TIME:
        bounds["timestamp__gte"] = span.lower
    if span.upper < END_OF_TIME or not partitions or partitions[0].upper == END_OF_TIME:
        bounds["timestamp__lt"] = span.upper
    return records.filter(**bounds)


def _parts(
    storage: Storage,
    search: Search,
    records: QuerySet[SystemLog, Any],
    walk: Iterator[Span],
    after: Position | None,
    wanted: Callable[[], int],
) -> Iterator[tuple[QuerySet[SystemLog, Any], Span]]:
    """What is asked, one after the other, and for which part of the time that answers; `wanted` more records."""
    if search.lookup and search.selective:
        end = Position(search.until, LOWEST_ID) if search.until else None
        until, before = min(filter(None, (end, after)), default=(None, None))
        lookup = search.lookup._replace(since=search.since, until=until, before=before)
        few = _few(storage, records, lookup, wanted() if search.alone else None)
        if few is not None:
            yield few, Span(START_OF_TIME, END_OF_TIME)
            return
    for piece in walk:
        yield inside(records, piece), piece
        if search.lookup and not search.selective and piece.lower > (search.since or START_OF_TIME):
            # All that is left at once. But a page that the newest partitions fill waits for no other, which somebody
            # may have locked.
            lookup = search.lookup._replace(since=search.since, until=piece.lower)
            rest = storage.look_up(records, lookup, wanted())
            if rest is not None:
                yield rest, Span(search.since or START_OF_TIME, piece.lower)
                return


def _few(
    storage: Storage, records: QuerySet[SystemLog, Any], lookup: Lookup, wanted: int | None
) -> QuerySet[SystemLog, Any] | None:
    """The records asked of no more than those that the lookup finds: of all, where other filters pick those that are
    `wanted`, or None if they are too many for that.
    """
    if wanted is not None:
        return storage.look_up(records, lookup, wanted)
    number = storage.count_up_to(lookup, FEW + 1)
    # Some more, for what has come since.
    return storage.look_up(records, lookup, 2 * FEW) if number is not None and number <= FEW else None


def _fetched(records: QuerySet[SystemLog, Any], count: int, allowance: TimeBudget) -> Iterator[Any]:
    """Up to `count` records, never many in memory that nobody has weighed."""
    if count <= CHUNK_ROWS:
        yield from records
        return
    with closing(cast(Generator[Any], records.iterator(CHUNK_ROWS))) as found:
        for number, record in enumerate(found, 1):
            yield record
            if number % CHUNK_ROWS == 0:
                allowance.check()  # each chunk is a statement


def _characters(record: Any) -> int:
    """What is long in a record, as far as it was fetched; or in a row of `systemlog.search.rows`."""
    if hasattr(record, "document"):
        return len(record.message) + len(record.document)
    fetched = vars(record) if isinstance(record, SystemLog) else record._asdict()
    # Nothing tells the size of a dictionary sooner.
    return len(fetched.get("message", "")) + len(marshal.dumps(fetched.get("context")))


def _beyond(position: Position, backwards: bool) -> KeyCompared:
    at = Value(position.timestamp, DateTimeField())
    return KeyCompared(">" if backwards else "<", at, Value(position.id, UUIDField()))


def _page(
    found: list[Any],
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
    onward = position_of(items[-1]) if len(found) > limit else None
    searched_until = slice_ = None
    if spent is not None:
        slice_ = min(max(SMALLEST_SLICE, length(done) if done else length(spent) / 16), LONGEST_SLICE)
        if found and position_of(found[-1]).timestamp in spent:
            # The slice was searched as far as this record.
            onward = position_of(found[-1])
            searched_until = onward.timestamp
        elif backwards:
            searched_until = spent.lower
            onward = max(filter(None, (after, Position(just_before(spent.lower), HIGHEST_ID))))
        else:
            searched_until = min(spent.upper, datetime.now(UTC))
            onward = min(filter(None, (after, Position(spent.upper, LOWEST_ID))))
    back = None
    if after is not None:
        back = position_of(items[0]) if items else _just_before(after, backwards)
    if backwards:
        items.reverse()
        return Page(items, older=back, newer=onward, searched_until=searched_until, slice=slice_)
    return Page(items, older=onward, newer=back, searched_until=searched_until, slice=slice_)


def _just_before(position: Position, backwards: bool) -> Position:
    """From where an empty page's way back starts: so that the record at `position` itself is seen again."""
    if backwards:
        return Position(just_after(position.timestamp), LOWEST_ID)
    return Position(just_before(position.timestamp), HIGHEST_ID)


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant), default=None)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant), default=None)
