"""Counts of records by a key, from the roll-up or the table, within one time budget, for histograms and facets.

The newest records are counted first. If the budget is spent, the tally says how far back it came, or that it estimates.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Sum

from systemlog.conf import conf
from systemlog.search.budget import TimeBudget
from systemlog.search.counting.rollup_hours import hours_and_edges, mixed_hours, rollup_rows
from systemlog.search.filters import RollupFilter
from systemlog.search.plan import FewRecords, Plan
from systemlog.search.time_walk import LONGEST_SLICE, slices_down
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.rollup import HOUR, hour_of, whole_hours

FIRST_HOURS = timedelta(days=1)
"""The first slice of the roll-up that is counted."""

FIRST_MINUTE = timedelta(minutes=1)
"""The first slice of the table that is counted. Even the busiest log has it counted within the budget, so that an
answer always has the newest part.
"""

LEAST_S = 0.25
"""The first slice may take this long even if the budget is shorter, so that an answer always has the newest part.

So may the search for the newest records where the budget was spent before any was found.
"""

NEWEST_SECOND = timedelta(seconds=1)

Key = tuple[Any, ...]
Expressions = dict[str, Any]


class Tally:
    """Counts by a key, within `budget_s` (by default `SEARCH_TIMEOUT_S`) from its creation on.

    `key` names the columns to count by; `of_records` and `of_hours` are expressions for those that are no columns of
    the log or of the roll-up. `known` are counts of parts of hours. `searched_until` is how far back the count came,
    None if to the end. `approximate` is true if some counts are estimates.
    """

    def __init__(
        self,
        plan: Plan,
        key: list[str],
        *,
        of_records: Expressions | None = None,
        of_hours: Expressions | None = None,
        budget_s: float | None = None,
        known: dict[Span, Counter[Key]] | None = None,
    ) -> None:
        self._plan = plan
        self._known = known or {}
        self._key = key
        self._of_records, self._of_hours = of_records or {}, of_hours or {}
        self._deadline = time.monotonic() + (conf().SEARCH_TIMEOUT_S if budget_s is None else budget_s)
        self._begun = False
        self.counts: Counter[Key] = Counter()
        self.searched_until: datetime | None = None
        self.approximate = False

    def count_hours(self) -> None:
        """Count whole hours in the roll-up and the rest in the table; or everything in the table where it must be."""
        whole, edges = hours_and_edges(self._plan)
        rollup = self._plan.rollup
        if whole is None or rollup is None:
            self.count_records()
            return
        # The newest first: the edge above the whole hours, the whole hours, the edge below.
        self._count_edges(rollup, (edge for edge in edges if edge.lower >= whole.upper))
        upper = None if whole.upper == END else whole.upper
        reached = self._count_down(
            whole.lower,
            upper,
            FIRST_HOURS,
            lambda span: self._in_hours(rollup, span),
            lambda span: self._newest_hour(rollup, span),
        )
        if reached is not None:
            now = datetime.now(UTC)
            reached = min(reached, now)
            # The hour that begins before `reached` is not counted.
            self.searched_until = min(whole_hours(Span(reached, reached)).upper, now)
            return
        self._count_edges(rollup, (edge for edge in edges if edge.upper <= whole.lower))

    def count_records(self) -> None:
        """Count in the table, the newest records first, as far as the budget goes."""
        first_slice = LONGEST_SLICE if isinstance(self._plan.strategy, FewRecords) else FIRST_MINUTE
        reached = self._count_down(
            self._plan.since, self._plan.until, first_slice, self._in_records, self._newest_second
        )
        if reached is not None:
            self.searched_until = min(reached, self._plan.until or END, datetime.now(UTC))

    def count_parts(self, parts: Iterable[Span]) -> dict[Span, Counter[Key]]:
        """Count parts of the time in the table by themselves. Leaves out those that the budget does not reach."""
        found = {}
        with suppress(BudgetSpent):
            for part in parts:
                with self._budget():
                    found[part] = self._in_records(part)
        return found

    def estimated_hours(self) -> Iterator[tuple[datetime, Key, int]]:
        """Yield the hours before `searched_until` from the roll-up: the hour, the key without its first column, and
        the number of records. Nothing if the count came to its end, or the roll-up cannot answer the filters.
        """
        if self.searched_until is None or self._plan.rollup is None:
            return
        span = Span(hour_of(self._plan.since or BEGINNING), self.searched_until)
        rows = rollup_rows(self._plan, self._plan.rollup, span).values_list("hour", *self._key[1:])
        for hour, *key, number in rows.annotate(number=Sum("count")):
            yield hour, tuple(key), number

    def _count_down(
        self,
        since: datetime | None,
        until: datetime | None,
        first_slice: timedelta,
        count: Callable[[Span], Counter[Key]],
        newest: Callable[[Span], datetime | None],
    ) -> datetime | None:
        """Count slice by slice, the newest first. Return how far back the budget went, None if to the end.

        `newest` returns where the newest records of a span begin, None if it has none. The slices become longer through
        a time without records, so the first one that has records may be too long for the budget.
        """
        reached = until or END
        try:
            with self._budget(0.0 if self._begun else LEAST_S) as budget:
                for span in slices_down(get_storage(self._plan.records.db), since, until, first_slice):
                    if self._begun and time.monotonic() >= self._deadline:
                        raise BudgetSpent
                    budget.check()
                    self.counts.update(count(span))
                    self._begun, reached = True, span.lower
        except BudgetSpent:
            if not self.counts.total():
                return self._count_newest(Span(since or BEGINNING, reached), count, newest)
            return reached
        return None

    def _count_newest(
        self, span: Span, count: Callable[[Span], Counter[Key]], newest: Callable[[Span], datetime | None]
    ) -> datetime | None:
        """Count the newest records of a span, and no more. Return as `_count_down` does."""
        floor, reached = span
        self._deadline = time.monotonic() + LEAST_S
        try:
            with self._budget() as budget:
                while not self.counts.total():
                    lower = newest(Span(floor, reached))
                    if lower is None:
                        return None
                    budget.check()
                    self.counts.update(count(Span(lower, reached)))
                    reached = lower
                    budget.check()
        except BudgetSpent:
            pass
        return reached

    def _newest_second(self, span: Span) -> datetime | None:
        newest = self._plan.within(span).order_by("-timestamp").values_list("timestamp", flat=True).first()
        return None if newest is None else max(newest - NEWEST_SECOND, span.lower)

    def _newest_hour(self, rollup: RollupFilter, span: Span) -> datetime | None:
        hours = rollup_rows(self._plan, rollup, span).order_by("-hour").values_list("hour", flat=True)[:1]
        mixed = [hour.lower for hour in mixed_hours(self._plan, rollup, span)[:1]]
        return max([*hours, *mixed], default=None)

    def _count_edges(self, rollup: RollupFilter, edges: Iterable[Span]) -> None:
        for edge in edges:
            if edge in self._known:
                self.counts.update(self._known[edge])
                continue
            try:
                with self._budget():
                    self.counts.update(self._in_records(edge))
            except BudgetSpent:
                self._estimate(rollup, edge)

    def _estimate(self, rollup: RollupFilter, edge: Span) -> None:
        """Estimate the records of an edge, a part of one hour, as if the hour's records came evenly.

        An hour that the table must count has no estimate.
        """
        start = hour_of(edge.lower)
        share = (edge.upper - edge.lower) / HOUR
        self.approximate = True
        with suppress(BudgetSpent):
            for key, number in self._in_hours(rollup, Span(start, start + HOUR)).items():
                self.counts[key] += round(number * share)

    @contextmanager
    def _budget(self, least_s: float = 0.0) -> Iterator[TimeBudget]:
        """A block of statements that may take the time that is left, or `least_s` if that is more."""
        left = max(self._deadline - time.monotonic(), least_s)
        if left <= 0:
            raise BudgetSpent
        with get_storage(self._plan.records.db).budget() as allow:
            yield TimeBudget(allow, left)

    def _in_records(self, span: Span) -> Counter[Key]:
        records = self._plan.within(span).order_by().annotate(**self._of_records).values_list(*self._key)
        return Counter({tuple(key): number for *key, number in records.annotate(number=Count("*"))})

    def _in_hours(self, rollup: RollupFilter, span: Span) -> Counter[Key]:
        rows = rollup_rows(self._plan, rollup, span).annotate(**self._of_hours).values_list(*self._key)
        counted = Counter({tuple(key): number for *key, number in rows.annotate(number=Sum("count")) if number})
        for hour in mixed_hours(self._plan, rollup, span):
            if time.monotonic() > self._deadline:
                raise BudgetSpent
            counted.update(self._in_records(hour))
        return counted
