"""The log on the start page of an admin site: a chart of the last hour, the newest errors, and the probes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models.functions import Left
from django.utils import timezone

from systemlog.console.operations import health_part
from systemlog.console.operations.registry import Part, show
from systemlog.console.operations.words import count
from systemlog.models import VIEW_PERMISSION, Level, SystemLog
from systemlog.search.counting.histogram import Bucket, make_histogram
from systemlog.search.pages import find_page
from systemlog.search.parsing.query import Query
from systemlog.search.plan import make_plan
from systemlog.search.rows import INSTANCES

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NEWEST_ERRORS = 5
MESSAGE_CHARACTERS = 200
WIDTH, HEIGHT = 720, 96
"""The size of the chart, in the units of its view box."""

STACK = (
    ("error", Level.from_severity(Level.ERROR)),
    ("warning", [Level.WARNING]),
    ("other", [Level.INFO, Level.DEBUG]),
)
"""The bars from the bottom up. Errors stand on the axis, so that even a few of them can be seen."""


class Bar(NamedTuple):
    """One segment of the column of a minute, in the units of the chart."""

    kind: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class LastHour:
    """The records of the last hour."""

    total: int
    per_minute: float
    errors: int
    warnings: int
    bars: list[Bar]
    most: int
    """The number of records in the busiest minute."""

    complete: bool
    newest_errors: list[Any]

    @property
    def total_text(self) -> str:
        """The number of records."""
        return count(self.total)

    @property
    def per_minute_text(self) -> str:
        """The average number of records in a minute."""
        return f"{self.per_minute:,.0f}" if self.per_minute >= 10 else f"{self.per_minute:.1f}"

    @property
    def most_text(self) -> str:
        """The number of records in the busiest minute."""
        return count(self.most)


def read_last_hour(user: Any) -> LastHour:
    """Count the records of the last hour by minute and level, and read its newest errors."""
    now = timezone.now()
    query = Query(since=now - HOUR, until=now)
    histogram = make_histogram(make_plan(query), MINUTE)
    levels: Counter[str] = Counter()
    for bucket in histogram.buckets:
        levels.update(bucket.levels)
    grave = replace(query, min_level=Level.ERROR)
    total = sum(levels.values())
    return LastHour(
        total=total,
        per_minute=total / (HOUR / MINUTE),
        errors=sum(levels[level] for level in Level.from_severity(Level.ERROR)),
        warnings=levels[Level.WARNING],
        bars=list(_bars(histogram.buckets)),
        most=max((bucket.count for bucket in histogram.buckets), default=0),
        complete=histogram.searched_until is None,
        newest_errors=find_page(make_plan(grave, _BEGINNINGS), limit=NEWEST_ERRORS).items,
    )


LAST_HOUR = Part("hour", "Last hour", read_last_hour)


def overview(user: Any) -> dict[str, Any]:
    """Return the context for the template. It is empty for a user who may not read the log."""
    if not user.has_perm(VIEW_PERMISSION):
        return {}
    shown = {each.part.name: each for each in show((LAST_HOUR, health_part.PART), user)}
    return {"hour": shown.get("hour"), "health": shown.get("health"), "chart": (WIDTH, HEIGHT)}


def _bars(buckets: list[Bucket]) -> Iterator[Bar]:
    most = max((bucket.count for bucket in buckets), default=0)
    if not most:
        return
    step = WIDTH / len(buckets)
    for number, bucket in enumerate(buckets):
        bottom = float(HEIGHT)
        for kind, levels in STACK:
            number_of_kind = sum(bucket.levels.get(level, 0) for level in levels)
            if number_of_kind:
                height = max(2.0 if kind == "error" else 0.5, HEIGHT * number_of_kind / most)
                bottom -= height
                place = (number * step + 1, bottom, step - 2, height)
                yield Bar(kind, *(f"{value:.1f}" for value in place))


def _beginnings() -> Any:
    beginning = Left("message", MESSAGE_CHARACTERS + 1)
    return SystemLog.objects.defer("message", "context").annotate(beginning=beginning)


_BEGINNINGS = replace(INSTANCES, records=_beginnings)
