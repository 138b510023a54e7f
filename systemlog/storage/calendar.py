"""Spans of time: which one a leaf of the table covers, and which leaves are made one. Pure rules, no database.

The younger, the finer: the present has leaves of a day (or a week, or a month, by `SYSTEMLOG["PARTITION"]`), what is
older than 35 days when its leaf is made gets a month, beyond two years a year, beyond ten years a decade. So the
number of leaves stays below 100 whatever timestamps arrive: every unpruned query locks every leaf and each of its
indexes, and 150 leaves were seen to exhaust PostgreSQL's lock table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

AHEAD = {"day": timedelta(days=7), "week": timedelta(days=21), "month": timedelta(days=62)}
"""How far ahead of now leaves are made, by the setting PARTITION."""

MONTHS_AFTER = timedelta(days=35)
YEARS_AFTER = timedelta(days=2 * 365)
DECADES_AFTER = timedelta(days=10 * 365)
YEARS_AHEAD = timedelta(days=365)

MERGED_ABOVE = 64
"""Retention merges the oldest leaves while there are more. The present, and months up to two years, are about 60."""

MICROSECOND = timedelta(microseconds=1)
MERGED_AT_ONCE = 6
"""Taking a leaf out costs about 5 ms under the lock that inserts wait behind."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
FIRST_DECADE = datetime(1970, 1, 1, tzinfo=UTC)


class Grain(IntEnum):
    """How long a span is, in rising order."""

    PARTITION = 0
    MONTH = 1
    YEAR = 2
    DECADE = 3
    GAP = 4
    """All that lies before 1970, or more than ten years ahead; or where leaves crowd, all between two neighbours."""


CROWDED = ((94, Grain.GAP), (88, Grain.YEAR), (80, Grain.MONTH))
"""With so many leaves, new ones are at least that long. Retention keeps them fewer; this holds where it never runs."""


class Span(NamedTuple):
    """From `lower` (included) to `upper` (excluded), both aware UTC; `END` is included."""

    lower: datetime
    upper: datetime

    def __contains__(self, instant: object) -> bool:
        """Whether the instant lies in the span."""
        return isinstance(instant, datetime) and self.lower <= instant and (instant < self.upper or self.upper == END)


def span_for(instant: datetime, *, now: datetime, partition: str, taken: Collection[Span]) -> Span:
    """The span of the leaf to make for `instant`: by its distance from now, clipped to the gap between its neighbours.

    `leaf` is "day", "week" or "month"; `taken` are the spans of the leaves that exist, none of which holds `instant`.
    """
    instant = instant.astimezone(UTC)
    crowded = next((grain for count, grain in CROWDED if len(taken) >= count), Grain.PARTITION)
    grain = max(_grain(instant, now, partition), crowded)
    if crowded is Grain.GAP:
        cell = Span(BEGINNING, END)
    elif grain is Grain.GAP and instant < FIRST_DECADE:
        cell = Span(BEGINNING, FIRST_DECADE)
    elif grain is Grain.GAP:
        cell = Span(datetime((now + DECADES_AFTER).year, 1, 1, tzinfo=UTC), END)
    else:
        cell = _cell(instant, grain, partition)
    return _clipped(cell, instant, taken)


def mergeable(spans: Sequence[Span], *, now: datetime) -> Span | None:
    """The span of the leaves to be made one: some of a month; where there is nothing to merge, of a year, of a decade.

    They are at most six neighbours, the shortest first, so that each record is copied few times. None where there are
    few enough leaves. What is younger than 35 days stays as it is.
    """
    if len(spans) <= MERGED_ABOVE:
        return None
    for grain in (Grain.MONTH, Grain.YEAR, Grain.DECADE):
        for span in sorted(span for span in spans if span.lower >= FIRST_DECADE):
            cell = _cell(span.lower, grain, "month")
            inside = [other for other in spans if cell.lower <= other.lower and other.upper <= cell.upper]
            if len(inside) > 1 and cell.upper <= now - MONTHS_AFTER:
                chosen = _shortest_neighbours(sorted(inside))
                return _clipped(cell, chosen[0].lower, [other for other in spans if other not in chosen])
    return None


def days_ahead(now: datetime, partition: str) -> list[datetime]:
    """Instants that need a leaf now: of today and of each of the days ahead."""
    return [now + timedelta(days=day) for day in range(AHEAD[partition].days + 1)]


def _shortest_neighbours(ordered: list[Span]) -> list[Span]:
    count = min(MERGED_AT_ONCE, len(ordered))
    windows = [ordered[first : first + count] for first in range(len(ordered) - count + 1)]
    return min(windows, key=lambda window: window[-1].upper - window[0].lower)


def _grain(instant: datetime, now: datetime, partition: str) -> Grain:
    age = now - instant
    if instant < FIRST_DECADE or -age > DECADES_AFTER:
        return Grain.GAP
    if age > DECADES_AFTER:
        return Grain.DECADE
    if age > YEARS_AFTER or -age > YEARS_AHEAD:
        return Grain.YEAR
    if age > MONTHS_AFTER or -age > AHEAD[partition] + timedelta(days=1):
        return Grain.MONTH
    return Grain.PARTITION


def _cell(instant: datetime, grain: Grain, partition: str) -> Span:
    if grain is Grain.DECADE:
        return _years(instant.year - instant.year % 10, 10)
    if grain is Grain.YEAR:
        return _years(instant.year, 1)
    if grain is Grain.MONTH or partition == "month":
        return _month(instant)
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    lower = midnight - timedelta(days=midnight.weekday()) if partition == "week" else midnight
    return Span(lower, lower + timedelta(days=7 if partition == "week" else 1))


def _clipped(cell: Span, instant: datetime, taken: Collection[Span]) -> Span:
    lower, upper = cell
    for other in taken:
        if other.upper <= instant:
            lower = max(lower, other.upper)
        elif other.lower > instant:
            upper = min(upper, other.lower)
    return Span(lower, upper)


def _years(year: int, count: int) -> Span:
    upper = datetime(year + count, 1, 1, tzinfo=UTC) if year + count <= END.year else END
    return Span(datetime(year, 1, 1, tzinfo=UTC), upper)


def _month(instant: datetime) -> Span:
    lower = datetime(instant.year, instant.month, 1, tzinfo=UTC)
    return Span(lower, (lower + timedelta(days=32)).replace(day=1))
