"""Histograms: how many records there are by time and level."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Min

from systemlog.exceptions import SystemLogError
from systemlog.models import SystemLogRollup
from systemlog.search.counting.tally import Tally
from systemlog.search.plan import Plan
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.expressions import BinStart
from systemlog.storage.rollup import HOUR

MAX_BUCKETS = 1000
AUTOMATIC_BUCKETS = 100
AUTOMATIC_INTERVALS = [
    *(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900, 1800)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24)),
    *(timedelta(days=days) for days in (7, 28, 91, 364, 3640)),
]

SINGLY_S = 0.3
"""How long records are counted one by one if nobody asked for this interval and the roll-up knows the older hours.

The newest hours are then exact, and the records of each older hour are spread evenly over it.
"""


class TooManyBuckets(SystemLogError, ValueError):
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
    `approximate` is true if some counts are estimates.
    """

    interval: timedelta
    buckets: list[Bucket]
    searched_until: datetime | None
    approximate: bool


def make_histogram(plan: Plan, interval: timedelta | None = None) -> Histogram:
    """Count records in buckets of `interval`, whole seconds that begin at midnight UTC, and weeks on Monday.

    Without an interval, takes one that makes up to a hundred buckets. Raises `TooManyBuckets`.
    """
    span = _extent(plan)
    budget_s = None
    if interval is None:
        budget_s = SINGLY_S if plan.rollup is not None and not plan.rollup.names_values else None
        interval = next(
            (each for each in AUTOMATIC_INTERVALS if span is None or count_buckets(span, each) <= AUTOMATIC_BUCKETS),
            AUTOMATIC_INTERVALS[-1],
        )
    if span is None:
        return Histogram(interval, [], None, approximate=False)
    if count_buckets(span, interval) > MAX_BUCKETS:
        raise TooManyBuckets(count_buckets(span, interval))
    tally = _count(plan, interval, budget_s)
    levels: dict[datetime, dict[str, int]] = {}
    for (start, level), number in tally.counts.items():
        levels.setdefault(start, {})[level] = number
    first = bucket_start(max(span.lower, tally.searched_until or span.lower), interval)
    starts = [first + interval * number for number in range(count_buckets(Span(first, span.upper), interval))]
    buckets = [Bucket(start, sum(levels.get(start, {}).values()), levels.get(start, {})) for start in starts]
    return Histogram(interval, buckets, tally.searched_until, tally.approximate)


def bucket_start(instant: datetime, interval: timedelta) -> datetime:
    """Return the start of the bucket that the instant lies in."""
    return instant - (instant - BEGINNING) % interval


def count_buckets(span: Span, interval: timedelta) -> int:
    """Return how many buckets the span touches."""
    return max(0, -(-(span.upper - bucket_start(span.lower, interval)) // interval))


def _count(plan: Plan, interval: timedelta, singly_s: float | None) -> Tally:
    """Count by bucket and level: whole hours in the roll-up, parts of an hour in the table for up to `singly_s`."""
    seconds = interval // timedelta(seconds=1)
    tally = Tally(
        plan,
        ["bin", "level"],
        of_records={"bin": BinStart("timestamp", seconds)},
        of_hours={"bin": BinStart("hour", seconds)},
        budget_s=singly_s if interval % HOUR else None,
    )
    if interval % HOUR:
        tally.count_records()
        _spread_hours(plan, interval, tally)
    else:
        tally.count_hours()
    return tally


def _spread_hours(plan: Plan, interval: timedelta, tally: Tally) -> None:
    """Estimate the part that the budget did not reach: spread each hour of the roll-up evenly over its buckets."""
    searched_until, since = tally.searched_until, plan.since or BEGINNING
    if searched_until is None or plan.rollup is None:
        return
    bins = -(-HOUR // interval)
    for hour, (level,), number in tally.estimated_hours():
        for part in range(bins):
            at = hour + HOUR * part / bins
            if since <= at < searched_until:
                tally.counts[bucket_start(at, interval), level] += number // bins + (part < number % bins)
    tally.searched_until, tally.approximate = None, True


def _extent(plan: Plan) -> Span | None:
    """Return the time from `since`, or the oldest record of all, to `until`, but no further than now.

    Returns None if that is no time at all.
    """
    lower = plan.since
    if lower is None or lower <= BEGINNING:
        lower = SystemLogRollup.objects.using(plan.records.db).aggregate(oldest=Min("hour"))["oldest"]
    if lower is None:
        return None
    upper = min(plan.until or END, datetime.now(UTC))
    return Span(lower, upper) if lower < upper else None
