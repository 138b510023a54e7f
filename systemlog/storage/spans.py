"""Spans of time: which one a leaf of the table covers. Pure rules, no database.

The younger, the finer: the present has leaves of a day (or a week, or a month, by `SYSTEMLOG["LEAF"]`), what is
older than 35 days when its leaf is made gets a month, beyond two years a year, beyond ten years a decade. So the
number of leaves stays below 100 whatever timestamps arrive: every unpruned query locks every leaf and each of its
indexes, and 150 leaves were seen to exhaust PostgreSQL's lock table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

MONTHS_AFTER = timedelta(days=35)
YEARS_AFTER = timedelta(days=2 * 365)
DECADES_AFTER = timedelta(days=10 * 365)


class Span(NamedTuple):
    """From `lower` (included) to `upper` (excluded), both aware UTC."""

    lower: datetime
    upper: datetime

    def __contains__(self, instant: object) -> bool:
        """Whether the instant lies in the span."""
        return isinstance(instant, datetime) and self.lower <= instant < self.upper


def span_for(instant: datetime, *, now: datetime, leaf: str, taken: Iterable[Span]) -> Span:
    """The span of the leaf to make for `instant`: by its age, clipped to the gap between its neighbours.

    `leaf` is "day", "week" or "month"; `taken` are the spans of the leaves that exist, none of which holds `instant`.
    """
    instant = instant.astimezone(UTC)
    age = now - instant
    if age > DECADES_AFTER:
        lower, upper = _years(instant.year - instant.year % 10, 10)
    elif age > YEARS_AFTER:
        lower, upper = _years(instant.year, 1)
    elif age > MONTHS_AFTER or leaf == "month":
        lower, upper = _month(instant)
    else:
        midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        lower = midnight - timedelta(days=midnight.weekday()) if leaf == "week" else midnight
        upper = lower + timedelta(days=7 if leaf == "week" else 1)
    for other in taken:
        if other.upper <= instant:
            lower = max(lower, other.upper)
        elif other.lower > instant:
            upper = min(upper, other.lower)
    return Span(lower, upper)


def _years(year: int, count: int) -> tuple[datetime, datetime]:
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + count, 1, 1, tzinfo=UTC)


def _month(instant: datetime) -> tuple[datetime, datetime]:
    lower = datetime(instant.year, instant.month, 1, tzinfo=UTC)
    return lower, (lower + timedelta(days=32)).replace(day=1)
