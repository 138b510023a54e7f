"""The plan of a search: the filtered records, and the strategy by which they are read.

The strategy follows from the filters alone: they tell which index, if any, has the records.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet

from systemlog.fingerprints.records import OTHER
from systemlog.models import Level, SystemLog
from systemlog.search.filters import RollupFilter, record_conditions, rollup_filter
from systemlog.search.group_ids import with_current_ids
from systemlog.search.parsing.query import Query
from systemlog.search.rows import INSTANCES, Shape
from systemlog.search.time_walk import FIRST_SLICE, INDEXED_SLICE, LONGEST_SLICE
from systemlog.storage import get_storage
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.lookups import By, Lookup

PREPARED = 512
"""Plans that a process keeps, by the filters of their queries."""

SELECTIVE = (By.CORRELATION_ID, By.TRACE_ID, By.SUBJECT, By.USER_ID, By.GROUP)
"""The columns of which one value has few records, the most selective first."""


@dataclass(frozen=True, slots=True)
class TimeWalk:
    """Read one slice of time after the other, the first of them `first_slice` long.

    `rest` is an index lookup that finds exactly the records of the search. With it, everything that is older than the
    first slice is read in one statement.
    """

    first_slice: timedelta = FIRST_SLICE
    rest: Lookup | None = None


@dataclass(frozen=True, slots=True)
class FewRecords:
    """Read the few records that an index lookup finds, and let the other filters choose among them.

    `exact` is true if there is no other filter. If the lookup finds too many records, time is walked in the longest
    slices.
    """

    lookup: Lookup
    exact: bool = False

    @property
    def first_slice(self) -> timedelta:
        """The length of the first slice of a walk through time."""
        return LONGEST_SLICE


Strategy = TimeWalk | FewRecords


@dataclass(frozen=True, slots=True)
class Plan:
    """The filtered records, the bounds `since` (included) and `until` (excluded), and the strategy.

    `rollup` is the same filter for the roll-up, None if the roll-up cannot answer it. `shape` is the form in which
    `records` gives them. `query` is the query without its bounds, None if the plan was not made from a query.
    """

    records: QuerySet[SystemLog, Any]
    since: datetime | None = None
    until: datetime | None = None
    strategy: Strategy = field(default_factory=TimeWalk)
    rollup: RollupFilter | None = None
    shape: Shape = INSTANCES
    query: Query | None = None

    def within(self, span: Span) -> QuerySet[SystemLog, Any]:
        """Return the records in the part of the span that lies within the bounds."""
        lower = max(span.lower, self.since or BEGINNING)
        upper = min(span.upper, self.until or END)
        return records_within(self.records, Span(lower, upper))


def make_plan(query: Query, shape: Shape = INSTANCES) -> Plan:
    """Return the plan that finds the records of a query, each in the given shape."""
    query = with_current_ids(query)
    return replace(prepare(replace(query, since=None, until=None), shape), since=query.since, until=query.until)


@lru_cache(PREPARED)
def prepare(query: Query, shape: Shape) -> Plan:
    """Return the plan of a query without bounds. It is kept, because building conditions takes long."""
    conditions = record_conditions(query)
    records = shape.records()
    return Plan(
        records=records.filter(*conditions) if conditions else records.all(),
        strategy=_strategy(query),
        rollup=rollup_filter(query),
        shape=shape,
        query=query,
    )


def needed_bounds(alias: str, span: Span) -> tuple[bool, bool]:
    """Return which bounds of the span a query of the records in it needs: the lower, the upper.

    A bound at an end of time is left out where the partitions allow it. To estimate such a bound, the planner reads the
    first or last key of every partition, which takes longer than the rest of a short query. Where a partition has no
    end, the bound stays: plain SQL can store timestamps there that Python cannot represent.
    """
    partitions = get_storage(alias).partition_spans()  # newest first
    lower = span.lower > BEGINNING or not partitions or partitions[-1].lower == BEGINNING
    return lower, span.upper < END or not partitions or partitions[0].upper == END


def records_within(records: QuerySet[SystemLog, Any], span: Span) -> QuerySet[SystemLog, Any]:
    """Return the records in the span, with the bounds that are needed."""
    lower, upper = needed_bounds(records.db, span)
    bounds = {}
    if lower:
        bounds["timestamp__gte"] = span.lower
    if upper:
        bounds["timestamp__lt"] = span.upper
    return records.filter(**bounds)


def _strategy(query: Query) -> Strategy:
    filters = query.filters
    for by in SELECTIVE:
        if by in filters and not query.group.startswith(OTHER):
            return FewRecords(Lookup(by, getattr(query, by)), exact=len(filters) == 1)
    if filters <= {"levels", "min_level", "categories"}:
        rare = query.allowed_levels <= set(Level.from_severity(Level.ERROR))
        if rare or filters <= {"categories"}:
            return TimeWalk(INDEXED_SLICE, _index_lookup(query))
    return TimeWalk()


def _index_lookup(query: Query) -> Lookup | None:
    """Return the index lookup that finds exactly the records of a query by level and category, if there is one."""
    if not query.filters or len(query.categories) > 1 or any(name.endswith("*") for name in query.categories):
        return None
    if query.filters == {"categories"}:
        return Lookup(By.CATEGORY, query.categories[0])
    levels = query.allowed_levels
    if query.categories:
        return Lookup(By.CRITICAL_OF_CATEGORY, query.categories[0]) if levels == {Level.CRITICAL} else None
    indexed: dict[frozenset[str], By] = {
        frozenset({Level.ERROR}): By.ERROR,
        frozenset({Level.CRITICAL}): By.CRITICAL,
        frozenset({Level.ERROR, Level.CRITICAL}): By.GRAVE,
    }
    by = indexed.get(frozenset(levels))
    return Lookup(by) if by else None
