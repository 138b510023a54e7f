"""Facets: how many records there are by the value of a column."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from systemlog.conf import conf
from systemlog.search.counting.rollup_hours import hours_and_edges
from systemlog.search.counting.tally import Key, Tally
from systemlog.search.plan import Plan
from systemlog.storage.calendar import Span
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
    """Count by several fields within the budget of one search. Yields the facets in the order of the fields.

    The records of the table are counted once for all fields, and the hours of the roll-up for each field by itself.
    """
    deadline = time.monotonic() + conf().SEARCH_TIMEOUT_S
    whole, edges = hours_and_edges(plan)
    if whole is None:
        together = Tally(plan, list(fields))
        together.count_records()
        for place, field in enumerate(fields):
            yield _facets(field, _of_one(together.counts, place), together)
        return
    counted = Tally(plan, list(fields), budget_s=conf().SEARCH_TIMEOUT_S / 2).count_parts(edges)
    for place, field in enumerate(fields):
        left = max(0.0, deadline - time.monotonic())
        known = {edge: _of_one(counts, place) for edge, counts in counted.items()}
        yield count_facets(plan, field, left / (len(fields) - place), known)


def count_facets(
    plan: Plan, field: str, budget_s: float | None = None, known: dict[Span, Counter[Key]] | None = None
) -> Facets:
    """Count the records of each value of `field`, which is level, category or source.

    `known` are the counts of parts of hours that are counted already.
    """
    tally = Tally(plan, [field], budget_s=budget_s, known=known)
    tally.count_hours()
    return _facets(field, tally.counts, tally)


def _of_one(counts: Counter[Key], place: int) -> Counter[Key]:
    """Return counts by several columns as counts by one of them."""
    found: Counter[Key] = Counter()
    for key, number in counts.items():
        found[key[place],] += number
    return found


def _facets(field: str, counts: Counter[Key], tally: Tally) -> Facets:
    other = 0 if field == "level" else counts.pop((OTHER,), 0)
    values = [(value, number) for (value,), number in counts.items()]
    return Facets(sorted(values, key=lambda each: (-each[1], each[0])), other, tally.searched_until, tally.approximate)
