"""Spans of time: which span a new partition covers, and which partitions are merged. Pure rules, no database.

Partitions of the present cover a day (or a week, or a month, by `SYSTEMLOG["PARTITION"]`). A partition that is created
for records older than 35 days covers a month, beyond two years a year, beyond ten years a decade. This keeps the number
of partitions below 100 whatever timestamps arrive. The limit is needed because a query that cannot be pruned locks
every partition and each of its indexes; 150 partitions were seen to exhaust PostgreSQL's lock table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

AHEAD = {"day": timedelta(days=7), "week": timedelta(days=21), "month": timedelta(days=62)}
"""How far ahead of now partitions are created, by the setting PARTITION."""

MONTHS_AFTER = timedelta(days=35)
YEARS_AFTER = timedelta(days=2 * 365)
DECADES_AFTER = timedelta(days=10 * 365)
YEARS_AHEAD = timedelta(days=365)

MERGED_ABOVE = 64
"""Retention merges the oldest partitions while there are more than this.

Days of the present and months up to two years are about 60 partitions.
"""

MERGED_AT_ONCE = 6
"""Partitions that one merge replaces: detaching each takes about 5 ms under a lock that inserts wait for."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
FIRST_DECADE = datetime(1970, 1, 1, tzinfo=UTC)


class Grain(IntEnum):
    """How long a span is, in ascending order."""

    PARTITION = 0
    MONTH = 1
    YEAR = 2
    DECADE = 3
    GAP = 4
    """Everything before 1970, everything more than ten years ahead, or everything between two neighbors."""


CROWDED = ((94, Grain.GAP), (88, Grain.YEAR), (80, Grain.MONTH))
"""From this number of partitions on, new ones are at least this long.

Retention keeps the number lower; this limit is for installations that never run it.
"""


class Span(NamedTuple):
    """From `lower` (included) to `upper` (excluded), both aware UTC. An `upper` of `END` is included."""

    lower: datetime
    upper: datetime

    def __contains__(self, instant: object) -> bool:
        """Whether the instant lies in the span."""
        return isinstance(instant, datetime) and self.lower <= instant and (instant < self.upper or self.upper == END)


def span_for(instant: datetime, *, now: datetime, partition: str, taken: Collection[Span]) -> Span:
    """Return the span of the partition to create for `instant`.

    Its length depends on the distance from now, and it is clipped to the gap between the neighboring partitions.
    `partition` is "day", "week" or "month". `taken` are the spans of the existing partitions; none contains `instant`.
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
    """Return the span whose partitions should be merged into one, or None if there are few enough partitions.

    Partitions of one month are merged first, then those of a year, then those of a decade. At most six neighbors are
    merged at once, the shortest first, so that each record is copied few times. Partitions younger than 35 days are
    never merged.
    """
    if len(spans) <= MERGED_ABOVE:
        return None
    for grain in (Grain.MONTH, Grain.YEAR, Grain.DECADE):
        for span in sorted(span for span in spans if span.lower >= FIRST_DECADE):
            cell = _cell(span.lower, grain, "month")
            inside = [other for other in spans if cell.lower <= other.lower and other.upper <= cell.upper]
            if len(inside) > 1 and cell.upper <= now - MONTHS_AFTER:
                chosen = _shortest_neighbors(sorted(inside))
                return _clipped(cell, chosen[0].lower, [other for other in spans if other not in chosen])
    return None


def days_ahead(now: datetime, partition: str) -> list[datetime]:
    """Return one instant of today and of each day ahead: each needs a partition."""
    return [now + timedelta(days=day) for day in range(AHEAD[partition].days + 1)]


def _shortest_neighbors(ordered: list[Span]) -> list[Span]:
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
