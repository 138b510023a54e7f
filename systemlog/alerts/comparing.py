"""The threshold of a rule that compares with an earlier time: a day or a week before, say."""

from __future__ import annotations

import math
from datetime import timedelta

from django.db.models import Sum

from systemlog.alerts.records import Statement
from systemlog.alerts.rules import MAX_THRESHOLD, Rule, TimesAsMany
from systemlog.alerts.spans import from_us
from systemlog.conf import conf
from systemlog.models import SystemLogRollup
from systemlog.records.ids import MICROSECOND
from systemlog.search.filters import rollup_filter
from systemlog.storage.rollup import HOUR, OTHER, hour_of

MAX_HOURS = 48


class EarlierTime:
    """Gives the threshold for a span of time: `times` as many records as there were in a window that much earlier.

    What counts is the larger of two numbers: the records of the very window before, and the hour's from the roll-up,
    divided by the windows of an hour. So a quiet minute in a busy hour raises no alarm. The least threshold is
    `at_least - 1`, the largest `MAX_THRESHOLD`.
    """

    def __init__(self, rule: Rule, condition: TimesAsMany) -> None:
        self._condition = condition
        self._statement = Statement(rule)
        self._filter = rollup_filter(rule.query)

    def threshold(self, lower_us: int, upper_us: int) -> int:
        """Return the threshold for windows in a span of time. Raises `DatabaseError`, `BudgetSpent`."""
        condition = self._condition
        least = condition.at_least - 1
        cap = math.ceil((MAX_THRESHOLD + 1) / condition.times)
        upper = upper_us - condition.before_us
        within = condition.within_us
        number = len(self._statement.read(upper - within, upper, min(cap, MAX_THRESHOLD) + 1))
        hourly = self._most_of_an_hour(lower_us - condition.before_us, upper)
        before = max(float(number), hourly * min(1.0, within * MICROSECOND / HOUR))
        return min(MAX_THRESHOLD, max(least, math.floor(condition.times * before)))

    def _most_of_an_hour(self, lower_us: int, upper_us: int) -> int:
        """Return the records of the busiest hour of a span of time, from the roll-up; 0 where it cannot tell."""
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
