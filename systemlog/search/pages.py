"""Pages of records, newest first, found within a time budget.

A page is read slice by slice of time, the newest first (or the oldest first, on the way back), until it is full, the
log ends or the budget is spent. It is full when it has as many records as were asked for, or as many characters as an
answer may have. A page that ends with its budget says how far the search came.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import inf
from typing import Any, cast

from django.db.models import QuerySet

from systemlog.conf import conf
from systemlog.search.budget import TimeBudget
from systemlog.search.plan import FewRecords, Plan, TimeWalk, needed_bounds, records_within
from systemlog.search.position import Position, beyond, end_of_instant_before, start_of_instant, way_back
from systemlog.search.statements import page_statement
from systemlog.search.time_walk import LONGEST_SLICE, SMALLEST_SLICE, just_after, length, slices_down, slices_up
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.lookups import Lookup

MAX_PAGE_CHARACTERS = 8 * 2**20
"""A page ends early where its messages and contexts reach this size: each of them may have 64 KiB."""

FEW = 1000
"""Up to this many records of an index lookup are all read, for the other filters to choose among them."""

CHUNK_ROWS = 256
"""Rows fetched per round trip."""


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `limit` records, newest first, in the shape of the plan, and where the neighboring pages start.

    `older` and `newer` are None where there is no further page in that direction. Where the budget was spent,
    `searched_until` says how far the search came, and `slice` how long the first slice of the next page should be.
    """

    items: list[Any]
    older: Position | None
    newer: Position | None
    searched_until: datetime | None = None
    slice: timedelta | None = None

    @property
    def complete(self) -> bool:
        """Whether everything between the page's start and its end was searched."""
        return self.searched_until is None


def find_page(
    plan: Plan,
    *,
    limit: int,
    after: Position | None = None,
    backwards: bool = False,
    first_slice: timedelta | None = None,
) -> Page:
    """Return the page beyond `after` (None: from the newest record on), towards older records or newer ones.

    `first_slice` is what `Page.slice` of the page before proposes. The search takes at most `SEARCH_TIMEOUT_S`.
    """
    search = PageSearch(plan, limit=limit, after=after, backwards=backwards, first_slice=first_slice)
    with suppress(BudgetSpent), get_storage(plan.records.db).budget() as allow:
        search.run(allow)
    return search.page()


class PageSearch:
    """The search for one page. `run()` reads the records; `page()` returns what was found, also if `run` raised.

    The two are apart so that the caller can go on in the transaction of `run`, which saves round trips.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        limit: int,
        after: Position | None = None,
        backwards: bool = False,
        first_slice: timedelta | None = None,
    ) -> None:
        self._plan = plan
        self._limit = limit
        self._after = after
        self._backwards = backwards
        self._storage = get_storage(plan.records.db)
        self._found: list[Any] = []
        self._characters = 0
        # A walk back, and one that goes on after a spent budget, use no index lookup.
        self._strategy = (
            TimeWalk(first_slice or plan.strategy.first_slice) if backwards or first_slice else plan.strategy
        )
        step = self._strategy.first_slice
        # The time at which the search starts; None is the end of the log.
        self._start: datetime | None
        # The slice that is being searched. Until the walk has yielded its first slice, this is the proposed one.
        self._current: Span | None
        self._done: Span | None = None
        if backwards:
            self._start = _latest(plan.since, after and after.timestamp)
            self._current = Span(self._start or BEGINNING, END)
        else:
            self._start = _earliest(plan.until, after and just_after(after.timestamp))
            newest = min(self._start or END, datetime.now(UTC))
            self._current = Span(newest - min(step, newest - BEGINNING), self._start or END)

    @property
    def full(self) -> bool:
        """Whether the page is full, and there are more records beyond it."""
        return len(self._found) > self._limit

    @property
    def items(self) -> list[Any]:
        """The records that were found, in the order in which they were read."""
        return self._found[: self._limit]

    def run(self, allow: Callable[[float], None]) -> None:
        """Read records until the page is full or the log ends. Raises `BudgetSpent` after `SEARCH_TIMEOUT_S`.

        `allow` is the function that `Storage.budget()` yields.
        """
        budget = TimeBudget(allow, conf().SEARCH_TIMEOUT_S)
        for records, span in self._parts():
            self._current = span
            budget.check()
            for record in self._read(records, span, budget):
                self._characters += self._plan.shape.characters(record)
                if self._characters > MAX_PAGE_CHARACTERS and self._found:
                    self._limit = len(self._found)
                self._found.append(record)
                if self.full:
                    break
            self._done = span
            # Until the next slice is known, everything beyond this one counts as not searched.
            self._current = Span(span.upper, END) if self._backwards else Span(BEGINNING, span.lower)
            if self.full:
                break
        self._current = None

    def page(self) -> Page:
        """Return the page of the records that were found."""
        items, position = self.items, self._plan.shape.position
        onward = position(items[-1]) if self.full else None
        searched_until = slice_ = None
        if self._current is not None:
            slice_ = length(self._done) if self._done else length(self._current) / 16
            slice_ = min(max(SMALLEST_SLICE, slice_), LONGEST_SLICE)
            onward, searched_until = self._reached(self._current)
        back = None
        if self._after is not None:
            back = position(items[0]) if items else way_back(self._after, self._backwards)
        if self._backwards:
            items.reverse()
            return Page(items, older=back, newer=onward, searched_until=searched_until, slice=slice_)
        return Page(items, older=onward, newer=back, searched_until=searched_until, slice=slice_)

    def _reached(self, current: Span) -> tuple[Position, datetime]:
        """Return the position that the search came to, and its instant, where the budget ended in slice `current`."""
        if self._found and (last := self._plan.shape.position(self._found[-1])).timestamp in current:
            # The slice was searched as far as this record.
            return last, last.timestamp
        if self._backwards:
            return max(filter(None, (self._after, end_of_instant_before(current.lower)))), current.lower
        onward = min(filter(None, (self._after, start_of_instant(current.upper))))
        return onward, min(current.upper, datetime.now(UTC))

    def _wanted(self) -> int:
        """How many records are still wanted: one more than the page holds tells that there is a next page."""
        return self._limit + 1 - len(self._found)

    def _missing_share(self) -> float:
        """The number of records still wanted, as a multiple of those found so far."""
        return self._wanted() / len(self._found) if self._found else inf

    @cached_property
    def _records(self) -> QuerySet[Any, Any]:
        """The records beyond the start of the page, in their order."""
        backwards = self._backwards
        records = self._plan.records.order_by(*(("timestamp", "id") if backwards else ("-timestamp", "-id")))
        return records if self._after is None else records.filter(beyond(self._after, backwards))

    def _read(self, records: QuerySet[Any, Any] | None, span: Span, budget: TimeBudget) -> Iterable[Any]:
        """Return the records that are still wanted: of a queryset, or all those in the span."""
        wanted = self._wanted()
        if records is None:
            found = self._read_compiled(span, wanted)
            if found is not None:
                return found
            records = records_within(self._records, span)
        return _fetch(records[:wanted], wanted, budget)

    def _read_compiled(self, span: Span, wanted: int) -> list[Any] | None:
        """Return the records in the span by a statement that was compiled before; None without such a statement."""
        plan = self._plan
        if plan.query is None or not plan.shape.plain or wanted > CHUNK_ROWS:
            return None
        alias = plan.records.db
        lower, upper = needed_bounds(alias, span)
        has_after = self._after is not None
        statement = page_statement(
            alias, plan.query, plan.shape, lower=lower, upper=upper, after=has_after, backwards=self._backwards
        )
        return None if statement is None else statement.rows(span.lower, span.upper, self._after, wanted)

    def _parts(self) -> Iterator[tuple[QuerySet[Any, Any] | None, Span]]:
        """Yield the parts to read one after the other: the span of time of each, and the queryset of a lookup.

        Without a queryset, all records in the span are read.
        """
        strategy, since = self._strategy, self._plan.since
        if isinstance(strategy, FewRecords):
            few = self._few_records(strategy)
            if few is not None:
                yield few, Span(BEGINNING, END)
                return
        rest = strategy.rest if isinstance(strategy, TimeWalk) else None
        for span in self._slices():
            yield None, span
            # The newest slice is read without the lookup: a page that the newest partitions fill does not wait for
            # older ones, which another session may have locked.
            if rest and span.lower > (since or BEGINNING):
                lookup = rest._replace(since=since, until=span.lower)
                found = self._storage.look_up(self._records, lookup, self._wanted())
                if found is not None:
                    yield found, Span(since or BEGINNING, span.lower)
                    return

    def _slices(self) -> Iterator[Span]:
        step = self._strategy.first_slice
        if self._backwards:
            return slices_up(self._storage, self._start, self._plan.until, step)
        return slices_down(self._storage, self._plan.since, self._start, step, self._missing_share)

    def _few_records(self, strategy: FewRecords) -> QuerySet[Any, Any] | None:
        """Return the records among those of the lookup; None if the lookup finds too many or is not faster."""
        end = start_of_instant(self._plan.until) if self._plan.until else None
        until, before = min(filter(None, (end, self._after)), default=(None, None))
        lookup: Lookup = strategy.lookup._replace(since=self._plan.since, until=until, before=before)
        if strategy.exact:
            return self._storage.look_up(self._records, lookup, self._wanted())
        number = self._storage.count_up_to(lookup, FEW + 1)
        # Twice as many, because records may have arrived since they were counted.
        return self._storage.look_up(self._records, lookup, 2 * FEW) if number is not None and number <= FEW else None


def _fetch(records: QuerySet[Any, Any], count: int, budget: TimeBudget) -> Iterator[Any]:
    """Yield up to `count` records, in chunks, so that few of them are in memory before their size is known."""
    if count <= CHUNK_ROWS:
        yield from records
        return
    with closing(cast(Generator[Any], records.iterator(CHUNK_ROWS))) as found:
        for number, record in enumerate(found, 1):
            yield record
            if number % CHUNK_ROWS == 0:
                budget.check()  # each chunk is a statement


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant), default=None)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant), default=None)
