"""The total of a search: how many records match, exact up to 10,000 if they can be counted in time.

The roll-up counts whole hours by level, category and source, and an index lookup counts the few records of one value.
Everything else is counted in the table, within a short budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import Sum

from systemlog.search.counting.rollup_hours import hours_and_edges, mixed_hours, rollup_rows
from systemlog.search.filters import RollupFilter
from systemlog.search.plan import FewRecords, Plan
from systemlog.search.statements import sum_hours
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.calendar import Span
from systemlog.storage.rollup import HOUR, hour_of

MAX_COUNT = 10_000
"""A total is exact up to this number."""

COUNT_BUDGET_S = 0.02
BOUNDED_BUDGET_S = 0.25
"""The budget for what an index or the roll-up counts, which takes some milliseconds for MAX_COUNT records.

A busy machine may need more. With a shorter budget the same search would have another total at each call.
"""

MARGIN = 1.3
"""The first attempt to find MAX_COUNT records reads this many times the hours that the newest records suggest."""


class Total:
    """The number of records that a search finds, and whether that number is exact.

    Until `count` has run, and if it raised `BudgetSpent`, `records` is a lower bound.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.records = 0
        self.exact = False

    def count(self, allow: Callable[[float], None], newest: Sequence[Any] = ()) -> None:
        """Count the records. Raises `BudgetSpent` if that takes too long.

        `allow` is the function that `Storage.budget()` yields. `newest`, the newest records of the search, show how far
        back MAX_COUNT records reach, so that no older hours of the roll-up are read.
        """
        plan, strategy = self._plan, self._plan.strategy
        by_lookup = isinstance(strategy, FewRecords) and strategy.exact
        allow(BOUNDED_BUDGET_S if plan.rollup is not None or by_lookup else COUNT_BUDGET_S)
        if isinstance(strategy, FewRecords) and strategy.exact:
            lookup = strategy.lookup._replace(since=plan.since, until=plan.until)
            number = get_storage(plan.records.db).count_up_to(lookup, MAX_COUNT + 1)
            if number is not None:
                self._set(number)
                return
        whole, edges = hours_and_edges(plan)
        counted = 0
        if whole and plan.rollup:
            mixed = mixed_hours(plan, plan.rollup, whole)
            edges = [*mixed, *edges]
            for hours in _newest_then_all(plan, whole, newest):
                counted = max(0, _count_hours(plan, plan.rollup, hours, is_mixed=bool(mixed)))
                self._at_least(counted)
                if counted > MAX_COUNT:
                    break
        for edge in edges:
            if counted <= MAX_COUNT:
                counted += plan.within(edge).order_by().values("timestamp")[: MAX_COUNT + 1 - counted].count()
                self._at_least(counted)
        self._set(counted)

    def _at_least(self, number: int) -> None:
        self.records = min(number, MAX_COUNT)

    def _set(self, number: int) -> None:
        self._at_least(number)
        self.exact = number <= MAX_COUNT


def _count_hours(plan: Plan, rollup: RollupFilter, hours: Span, *, is_mixed: bool) -> int:
    """Return how many records the hours of the roll-up have that it can answer for."""
    if plan.query is not None and not is_mixed:
        total = sum_hours(plan.records.db, plan.query, plan.shape, hours)
        if total is not None:
            return total
    return rollup_rows(plan, rollup, hours).aggregate(total=Sum("count"))["total"] or 0


def count(plan: Plan) -> tuple[int, bool]:
    """Return the total in a transaction of its own, and whether it is exact."""
    total = Total(plan)
    with suppress(BudgetSpent), get_storage(plan.records.db).budget() as allow:
        total.count(allow)
    return total.records, total.exact


def _newest_then_all(plan: Plan, whole: Span, newest: Sequence[Any]) -> Iterator[Span]:
    """Yield the newest of the whole hours, which may already have more than MAX_COUNT records; then all of them."""
    reached = _reach(plan, whole, newest)
    if reached is not None:
        yield Span(reached, whole.upper)
    yield whole


def _reach(plan: Plan, whole: Span, newest: Sequence[Any]) -> datetime | None:
    """Return the hour that MAX_COUNT records reach back to if older ones are as frequent as `newest`.

    Returns None if that hour lies before all whole hours, or if nothing is known.
    """
    if not newest:
        return None  # without listing the partitions: another session may have locked the table
    partitions = get_storage(plan.records.db).partition_spans()
    start = max(whole.lower, partitions[-1].lower) if partitions else whole.lower
    first, last = (plan.shape.position(record).timestamp for record in (newest[0], newest[-1]))
    upper = min(whole.upper, first)
    share = MARGIN * MAX_COUNT / len(newest)
    length = max(first - last, HOUR / share)
    return hour_of(upper - length * share) if length < (upper - start) / share else None
