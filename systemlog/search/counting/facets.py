"""Facets: how many records there are by the value of a column."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from systemlog.conf import conf
from systemlog.search.counting.tally import Tally
from systemlog.search.plan import Plan
from systemlog.storage.rollup import OTHER


@dataclass(frozen=True, slots=True)
class Facets:
    """The values of a column with the number of their records, the most frequent first.

    `other` is the number of records whose values the roll-up has counted together. Where the budget was spent,
    `searched_until` says how far back the count came. `approximate` is true if some counts are estimates.
    """

    values: list[tuple[str, int]]
    other: int
    searched_until: datetime | None
    approximate: bool


def count_facets_of(plan: Plan, fields: Sequence[str]) -> Iterator[Facets]:
    """Count by several fields within the budget of one search. Yields the facets in the order of the fields."""
    deadline = time.monotonic() + conf().SEARCH_TIMEOUT_S
    for place, field in enumerate(fields):
        left = max(0.0, deadline - time.monotonic())
        yield count_facets(plan, field, left / (len(fields) - place))


def count_facets(plan: Plan, field: str, budget_s: float | None = None) -> Facets:
    """Count the records of each value of `field`, which is level, category or source."""
    tally = Tally(plan, [field], budget_s=budget_s)
    tally.count_hours()
    other = 0 if field == "level" else tally.counts.pop((OTHER,), 0)
    values = [(value, number) for (value,), number in tally.counts.items()]
    return Facets(sorted(values, key=lambda each: (-each[1], each[0])), other, tally.searched_until, tally.approximate)
