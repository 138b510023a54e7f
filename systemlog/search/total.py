"""How many records: totals, histograms and facets. From the roll-up where it can answer, else counted within a budget.

The roll-up knows hours, levels, categories and sources. What it cannot answer is counted in the table, newest first; if
the budget is spent before that is done, the answer says how far it came, or that it estimates.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.db.models import Count, Min, Q, QuerySet, Sum

from systemlog.conf import conf
from systemlog.models import SystemLogRollup
from systemlog.search.pages import Search, TimeBudget, position_of
from systemlog.search.time_walk import END_OF_TIME, LONGEST_SLICE, START_OF_TIME, slices_down
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.calendar import Span
from systemlog.storage.expressions import BinStart
from systemlog.storage.rollup import HOUR, OTHER, hour_of, whole_hours

MAX_COUNT = 10_000
"""A total is exact up to here."""

COUNT_BUDGET_S = 0.02
BOUNDED_BUDGET_S = 0.25
"""An index, or the roll-up, counts MAX_COUNT records in some milliseconds. A busy machine gets the time for it, or the
total of the same search would be another one at each call.
"""
MARGIN = 1.3
"""By so much more time than MAX_COUNT records should take, the newest hours are asked for them."""

FIRST_HOURS = timedelta(days=1)
"""The first slice of the roll-up that is counted."""

FIRST_MINUTE = timedelta(minutes=1)
"""The first slice of the table: of the busiest log it is counted, so that an answer has the newest part at least."""

MAX_BUCKETS = 1000
AUTOMATIC_BUCKETS = 100
AUTOMATIC_INTERVALS = [
    *(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900, 1800)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24)),
    *(timedelta(days=days) for days in (7, 28, 91, 364, 3640)),
]

Key = tuple[Any, ...]
Expressions = dict[str, Any]


class TooManyBuckets(ValueError):
    """The interval divides the time into more buckets than an answer may have."""

    def __init__(self, count: int) -> None:
        super().__init__(f"This makes {count} buckets; there may be {MAX_BUCKETS}. Take a longer interval.")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of the time: its start, how many records it has, and how many of each level."""

    start: datetime
    count: int
    levels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Records by time, oldest first, empty buckets included.

    Where the budget was spent, `searched_until` says how far back the count came: there are no older buckets.
    `approximate`: some counts are estimates.
    """

    interval: timedelta
    buckets: list[Bucket]
    searched_until: datetime | None
    approximate: bool


@dataclass(frozen=True, slots=True)
class Facets:
    """The values of a column with the number of their records, the most frequent first; else as in `Histogram`."""

    values: list[tuple[str, int]]
    other: int
    """The records whose values the roll-up has counted together."""
    searched_until: datetime | None
    approximate: bool


class Total:
    """How many records a search finds, and whether that is `exact`: up to 10,000, and if counted within the budget.

    Until they are counted, and where the budget is spent before, `records` is what is known: at least so many.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self.records = 0
        self.exact = False

    def count(self, newest: Sequence[Any], allow: Callable[[float], None]) -> None:
        """Count, within the `allow` of a storage's budget.

        `newest`, some of the newest records, spares reading more hours of the roll-up than have so many.
        """
        bounded = self._search.rollup is not None or (self._search.lookup and self._search.alone)
        allow(BOUNDED_BUDGET_S if bounded else COUNT_BUDGET_S)
        if self._search.lookup and self._search.selective and self._search.alone:
            lookup = self._search.lookup._replace(since=self._search.since, until=self._search.until)
            number = get_storage(self._search.records.db).count_up_to(lookup, MAX_COUNT + 1)
            if number is not None:
                self.records, self.exact = min(number, MAX_COUNT), number <= MAX_COUNT
                return
        whole, edges = _hours_and_edges(self._search)
        if whole:
            edges = [*_hours_of_others(self._search, whole), *edges]
        counted = 0
        for hours in _parts_of(self._search, whole, newest) if whole else ():
            counted = max(0, _hours(self._search, hours).aggregate(total=Sum("count"))["total"] or 0)
            self.records = min(counted, MAX_COUNT)
            if counted > MAX_COUNT:
                break
        for edge in edges:
            if counted <= MAX_COUNT:
                counted += self._search.within(edge).order_by().values("timestamp")[: MAX_COUNT + 1 - counted].count()
                self.records = min(counted, MAX_COUNT)
        self.exact = counted <= MAX_COUNT


def count(search: Search) -> tuple[int, bool]:
    """The `Total` in a transaction of its own, and whether it is exact."""
    total = Total(search)
    with suppress(BudgetSpent), get_storage(search.records.db).budget() as allow:
        total.count((), allow)
    return total.records, total.exact


def histogram(search: Search, interval: timedelta | None = None) -> Histogram:
    """Records by time, in buckets of `interval` (whole seconds) that begin at midnight UTC, and weeks on Monday.

    Without an interval, one that makes up to a hundred buckets. Raises `TooManyBuckets`.
    """
    span = _extent(search)
    if interval is None:
        interval = next(
            (each for each in AUTOMATIC_INTERVALS if span is None or len_of(span, each) <= AUTOMATIC_BUCKETS),
            AUTOMATIC_INTERVALS[-1],
        )
    if span is None:
        return Histogram(interval, [], None, approximate=False)
    if len_of(span, interval) > MAX_BUCKETS:
        raise TooManyBuckets(len_of(span, interval))
    seconds = interval // timedelta(seconds=1)
    tally = _Tally(
        search, {"bin": BinStart("timestamp", seconds)}, {"bin": BinStart("hour", seconds)}, ["bin", "level"]
    )
    if interval % HOUR:
        tally.count_records()
        tally.spread_hours(interval)
    else:
        tally.count_hours()
    levels: dict[datetime, dict[str, int]] = {}
    for (start, level), number in tally.counts.items():
        levels.setdefault(start, {})[level] = number
    first = bin_start(max(span.lower, tally.searched_until or span.lower), interval)
    starts = [first + interval * number for number in range(len_of(Span(first, span.upper), interval))]
    buckets = [Bucket(start, sum(levels.get(start, {}).values()), levels.get(start, {})) for start in starts]
    return Histogram(interval, buckets, tally.searched_until, tally.approximate)


def facets(search: Search, field: str) -> Facets:
    """How many records each value of `field` (level, category or source) has."""
    tally = _Tally(search, {}, {}, [field])
    tally.count_hours()
    other = 0 if field == "level" else tally.counts.pop((OTHER,), 0)
    values = [(value, number) for (value,), number in tally.counts.items()]
    return Facets(sorted(values, key=lambda each: (-each[1], each[0])), other, tally.searched_until, tally.approximate)


class _Tally:
    """Counts by some key, taken from the roll-up or the table, within one budget."""

    def __init__(self, search: Search, of_records: Expressions, of_hours: Expressions, key: list[str]) -> None:
        self.search = search
        self.of_records, self.of_hours, self.key = of_records, of_hours, key
        self.deadline = time.monotonic() + conf().SEARCH_TIMEOUT_S
        self.counts: Counter[Key] = Counter()
        self.searched_until: datetime | None = None
        self.approximate = False

    def count_hours(self) -> None:
        """From the roll-up, and at the edges of the time from the table; all from the table where it must be."""
        whole, edges = _hours_and_edges(self.search)
        if whole is None:
            self.count_records()
            return
        # The newest first: an edge above the whole hours, then they, newest first, then the edge below.
        self._count_edges(edge for edge in edges if edge.lower >= whole.upper)
        upper = None if whole.upper == END_OF_TIME else whole.upper
        reached = self._count_down(whole.lower, upper, FIRST_HOURS, self._in_hours)
        if reached is not None:
            now = datetime.now(UTC)
            reached = min(reached, now)
            # An hour that begins before is not counted.
            self.searched_until = min(whole_hours(Span(reached, reached)).upper, now)
            return
        self._count_edges(edge for edge in edges if edge.upper <= whole.lower)

    def count_records(self) -> None:
        """From the table, newest first, as far as the budget goes."""
        step = LONGEST_SLICE if self.search.selective else FIRST_MINUTE
        reached = self._count_down(self.search.since, self.search.until, step, self._in_records)
        if reached is not None:
            self.searched_until = min(reached, self.search.until or END_OF_TIME, datetime.now(UTC))

    def spread_hours(self, interval: timedelta) -> None:
        """Estimate what the count of records did not come to: an hour's records, evenly over its buckets."""
        if self.searched_until is None or self.search.rollup is None:
            return
        bins = -(-HOUR // interval)
        hours = _hours(self.search, Span(hour_of(self.search.since or START_OF_TIME), self.searched_until))
        for hour, level, number in hours.values_list("hour", "level").annotate(number=Sum("count")):
            for part in range(bins):
                at = hour + HOUR * part / bins
                if (self.search.since or START_OF_TIME) <= at < self.searched_until:
                    self.counts[bin_start(at, interval), level] += number // bins + (part < number % bins)
        self.searched_until, self.approximate = None, True

    def _count_down(
        self,
        since: datetime | None,
        until: datetime | None,
        step: timedelta,
        count: Callable[[Span], Counter[Key]],
    ) -> datetime | None:
        """Count slice by slice, the newest first; gives how far the budget went, None if to the end."""
        reached = until or END_OF_TIME
        try:
            with self._budget() as allowance:
                for piece in slices_down(get_storage(self.search.records.db), since, until, step):
                    allowance.check()
                    self.counts.update(count(piece))
                    reached = piece.lower
        except BudgetSpent:
            return reached
        return None

    def _count_edges(self, edges: Iterable[Span]) -> None:
        for edge in edges:
            try:
                with self._budget():
                    self.counts.update(self._in_records(edge))
            except BudgetSpent:
                self._estimate(edge)

    def _estimate(self, edge: Span) -> None:
        """What part of an hour's records lies in `edge`, a part of that hour: as if they came evenly."""
        start = hour_of(edge.lower)
        share = (edge.upper - edge.lower) / HOUR
        for key, number in self._in_hours(Span(start, start + HOUR)).items():
            self.counts[key] += round(number * share)
        self.approximate = True

    @contextmanager
    def _budget(self) -> Iterator[TimeBudget]:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise BudgetSpent
        with get_storage(self.search.records.db).budget() as allow:
            yield TimeBudget(allow, left)

    def _in_records(self, span: Span) -> Counter[Key]:
        records = self.search.within(span).order_by().annotate(**self.of_records).values_list(*self.key)
        return Counter({tuple(key): number for *key, number in records.annotate(number=Count("*"))})

    def _in_hours(self, span: Span) -> Counter[Key]:
        hours = _hours(self.search, span).annotate(**self.of_hours).values_list(*self.key)
        counted = Counter({tuple(key): number for *key, number in hours.annotate(number=Sum("count")) if number})
        for hour in _hours_of_others(self.search, span):
            if time.monotonic() > self.deadline:
                raise BudgetSpent
            counted.update(self._in_records(hour))
        return counted


def bin_start(instant: datetime, interval: timedelta) -> datetime:
    """The start of the bucket that the instant lies in."""
    return instant - (instant - START_OF_TIME) % interval


def len_of(span: Span, interval: timedelta) -> int:
    """How many buckets the span touches."""
    return max(0, -(-(span.upper - bin_start(span.lower, interval)) // interval))


def _hours(search: Search, span: Span) -> QuerySet[SystemLogRollup]:
    asked = cast(Q, search.rollup)
    hours = SystemLogRollup.objects.using(search.records.db).filter(hour__gte=span.lower, hour__lt=span.upper)
    if others := _hours_of_others(search, span):
        hours = hours.exclude(hour__in=[other.lower for other in others])
    return hours.filter(asked)


def _hours_of_others(search: Search, span: Span) -> list[Span]:
    """The hours in which the roll-up cannot tell what the filters ask for, since it has counted values together."""
    if not _asks_for_values(cast(Q, search.rollup)):
        return []
    hours = SystemLogRollup.objects.using(search.records.db).filter(
        category=OTHER, hour__gte=span.lower, hour__lt=span.upper
    )
    found = hours.order_by("-hour").values_list("hour", flat=True).distinct()
    return [Span(hour, hour + HOUR) for hour in found]


def _asks_for_values(asked: Q) -> bool:
    return any(
        _asks_for_values(child) if isinstance(child, Q) else str(child[0]).startswith(("category", "source"))
        for child in asked.children
        if isinstance(child, Q | tuple)
    )


def _parts_of(search: Search, whole: Span, newest: Sequence[Any]) -> Iterator[Span]:
    """The newest of the whole hours, which may have more records than anybody counts; then all of them."""
    reached = _reached(search, whole, newest)
    if reached is not None:
        yield Span(reached, whole.upper)
    yield whole


def _reached(search: Search, whole: Span, newest: Sequence[Any]) -> datetime | None:
    """The hour that MAX_COUNT records should reach back to, if they go on as the newest do; None beyond all hours."""
    if not newest:
        return None  # Nor is anything asked of the table here, which somebody may have locked.
    partitions = get_storage(search.records.db).partition_spans()
    start = max(whole.lower, partitions[-1].lower) if partitions else whole.lower
    first, last = (position_of(record).timestamp for record in (newest[0], newest[-1]))
    upper = min(whole.upper, first)
    share = MARGIN * MAX_COUNT / len(newest)
    length = max(first - last, HOUR / share)
    return hour_of(upper - length * share) if length < (upper - start) / share else None


def _hours_and_edges(search: Search) -> tuple[Span | None, list[Span]]:
    """The time of a search as whole hours, for the roll-up, and the parts of hours around them, for the table."""
    span = Span(search.since or START_OF_TIME, search.until or END_OF_TIME)
    if search.rollup is None:
        return None, [span]
    upper = hour_of(span.upper) if search.until else END_OF_TIME
    lower = hour_of(span.lower)
    if lower < span.lower:
        lower = lower + HOUR if END_OF_TIME - lower > HOUR else END_OF_TIME
    if lower >= upper:
        return None, [span]
    edges = [Span(upper, span.upper), Span(span.lower, lower)]
    return Span(lower, upper), [edge for edge in edges if edge.lower < edge.upper]


def _extent(search: Search) -> Span | None:
    """From `since`, or the oldest record of all, to `until`, but no further than now; None where that is nothing."""
    lower = search.since
    if lower is None or lower <= START_OF_TIME:
        lower = SystemLogRollup.objects.using(search.records.db).aggregate(oldest=Min("hour"))["oldest"]
    if lower is None:
        return None
    upper = min(search.until or END_OF_TIME, datetime.now(UTC))
    return Span(lower, upper) if lower < upper else None
