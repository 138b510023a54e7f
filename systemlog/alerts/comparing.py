"""The threshold of a rule that compares with an earlier time, such as a day or a week before."""

from __future__ import annotations

import math
from datetime import timedelta

from django.db.models import Sum

from systemlog.alerts.records import Statement
from systemlog.alerts.rules import MAX_THRESHOLD, Rule, TimesAsMany
from systemlog.alerts.spans import Span, from_us
from systemlog.conf import conf
from systemlog.models import SystemLogRollup
from systemlog.records.ids import MICROSECOND
from systemlog.search.filters import rollup_filter
from systemlog.storage.rollup import HOUR, OTHER, hour_of

MAX_HOURS = 48


class EarlierTime:
    """Compares spans of time with the same time a day or a week before.

    The number to compare with is the larger of two: the records in the windows around the same instant, and the records
    of the busiest hour in the roll-up, divided by the number of windows in an hour. So a quiet minute in a busy hour
    raises no alarm.
    """

    def __init__(self, rule: Rule, condition: TimesAsMany) -> None:
        self._condition = condition
        self._statement = Statement(rule)
        self._filter = rollup_filter(rule.query)

    def least(self, lower_us: int, upper_us: int) -> int:
        """Return the lowest threshold for a span, from the roll-up alone. Raises `DatabaseError`, `BudgetSpent`."""
        condition = self._condition
        hourly = self._most_of_an_hour(lower_us - condition.before_us, upper_us - condition.before_us)
        before = hourly * min(1.0, condition.within_us * MICROSECOND / HOUR)
        return min(MAX_THRESHOLD, max(condition.at_least - 1, math.floor(condition.times * before)))

    def exceeds(self, span: Span) -> bool:
        """Whether a span has more than `times` as many records as the same span of the earlier time.

        Raises `DatabaseError`, `BudgetSpent`.
        """
        condition = self._condition
        around = span.start - condition.before_us
        enough = math.ceil(span.peak / condition.times)  # with this many before, the span has too few
        before = self._statement.read(around - condition.within_us, around + condition.within_us, enough)
        return len(before) < enough

    def _most_of_an_hour(self, lower_us: int, upper_us: int) -> int:
        """Return how many records the busiest hour of a span has by the roll-up; 0 if the roll-up cannot tell."""
        if self._filter is None:
            return 0
        first, last = hour_of(from_us(lower_us)), hour_of(from_us(upper_us))
        first = max(first, last - timedelta(hours=MAX_HOURS))
        hours = SystemLogRollup.objects.using(conf().DATABASE).filter(
            self._filter.condition, hour__gte=first, hour__lte=last
        )
        if self._filter.names_values:
            hours = hours.exclude(category=OTHER)
        counts = hours.values("hour").annotate(total=Sum("count")).values_list("total", flat=True)
        return max([0, *map(int, counts)])
