"""Comparing a rule's counts with an earlier time, such as a day or a week before.

Every instant is compared with its own earlier time, so that a long span is not judged by its beginning.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Sum

from systemlog.alerts.records import Statement
from systemlog.alerts.rules import Rule, TimesAsMany
from systemlog.alerts.spans import counts_at, from_us
from systemlog.conf import conf
from systemlog.models import SystemLogRollup
from systemlog.records.ids import MICROSECOND
from systemlog.search.filters import rollup_filter
from systemlog.storage import BudgetSpent
from systemlog.storage.rollup import HOUR, OTHER, hour_of

HOUR_US = HOUR // MICROSECOND
EARLIER_ROWS = 1000
"""Least number of rows of the earlier time per statement."""

MOST_ENOUGH = 20_000
"""This many earlier records in a window are enough to say that an instant has not more than `times` as many."""

COMPARE_S = 1.0
"""How long the comparison of one page may take in all."""


class EarlierTime:
    """Says for each instant which number of records its window must exceed.

    This is `times` the larger of two numbers: the records in the busiest of the windows that end `as_before` earlier,
    or up to the length of a window before or after that, and the average window of that hour by the roll-up. So neither
    a nightly job that begins some minutes earlier than the week before, nor a quiet minute in a busy hour raises an
    alarm.
    """

    def __init__(self, rule: Rule, condition: TimesAsMany) -> None:
        self._condition = condition
        self._statement = Statement(rule)
        self._filter = rollup_filter(rule.query)
        # Neither the last of the earlier windows nor the hour may reach into the window that is compared.
        self._shift_us = min(condition.within_us, condition.before_us - condition.within_us)
        self._has_hours = self._filter is not None and condition.before_us >= HOUR_US + condition.within_us
        self._hours: dict[datetime, int] = {}

    def bounds(self, lower_us: int, upper_us: int) -> tuple[int, int]:
        """Return the lowest and the highest number to exceed in a span, by the roll-up alone.

        Raises `DatabaseError`, `BudgetSpent`.
        """
        least = self._condition.at_least - 1
        if not self._has_hours:
            return least, least
        first = hour_of(from_us(lower_us - self._condition.before_us))
        last = hour_of(from_us(upper_us - self._condition.before_us))
        self._hours = self._read_hours(first, last)
        numbers = [self._by_hour(count) for count in self._hours.values()]
        if len(numbers) <= (last - first) // HOUR:  # some hour has no records
            numbers.append(least)
        return min(numbers), max(numbers)

    def needed(self, times: Sequence[int], number: int) -> dict[int, int]:
        """Return the number that must be exceeded at each place of `times` whose window has more than `number` records.

        Where a window does not exceed it, the returned number may be too low, but never below the records of the
        window. `bounds` must have been asked for the span of the times. Raises `DatabaseError`, `BudgetSpent`.
        """
        found: dict[int, int] = {}
        open_: list[tuple[int, int]] = []
        for place, count in enumerate(counts_at(times, self._condition.within_us)):
            if count <= number:
                continue
            hour = hour_of(from_us(times[place] - self._condition.before_us))
            found[place] = self._by_hour(self._hours.get(hour, 0)) if self._has_hours else number
            if count > found[place]:
                open_.append((place, count))
        deadline = time.monotonic() + COMPARE_S
        open_.reverse()
        while open_:
            if time.monotonic() > deadline:
                raise BudgetSpent
            open_ = self._compare(times, open_, found)
        return found

    def _compare(
        self, times: Sequence[int], open_: list[tuple[int, int]], found: dict[int, int]
    ) -> list[tuple[int, int]]:
        """Read a page of the earlier time, note what it decides, and return the rest.

        `open_` has places with their counts, the newest first. The page always decides the first of them: a full page
        has so many records that one of three windows, which together are all that this place looks at, has enough.
        """
        condition, shift_us = self._condition, self._shift_us
        around = [times[place] - condition.before_us for place, _ in open_]
        enough = [min(MOST_ENOUGH, math.ceil(count / condition.times)) for _, count in open_]
        rows = max(EARLIER_ROWS, 6 * max(enough))
        lower = around[-1] - shift_us - condition.within_us + 1
        earlier = self._statement.read(lower, around[0] + shift_us + 1, rows)
        earlier.reverse()
        counts = list(counts_at(earlier, condition.within_us))
        known_from = earlier[0] if len(earlier) == rows else lower - 1
        rest = []
        for (place, count), instant, least in zip(open_, around, enough, strict=True):
            ends = (instant - shift_us, instant, instant + shift_us)
            most = max(bisect_right(earlier, end) - bisect_right(earlier, end - condition.within_us) for end in ends)
            if most < least:  # of all other windows, one that ends at a record is the busiest
                between = slice(bisect_right(earlier, ends[0]), bisect_right(earlier, ends[-1]))
                most = max(most, max(counts[between], default=0))
            if most >= least:
                found[place] = max(found[place], count)
            elif instant - shift_us - condition.within_us >= known_from:
                found[place] = max(found[place], math.floor(condition.times * most))
            else:
                rest.append((place, count))
        return rest

    def _by_hour(self, count: int) -> int:
        """Return the number to exceed in a window if its earlier hour had so many records."""
        average = count * min(1.0, self._condition.within_us / HOUR_US)
        return max(self._condition.at_least - 1, math.floor(self._condition.times * average))

    def _read_hours(self, first: datetime, last: datetime) -> dict[datetime, int]:
        """Return how many records each hour has by the roll-up. Hours without a record are left out."""
        if self._filter is None:
            return {}
        hours = SystemLogRollup.objects.using(conf().DATABASE).filter(
            self._filter.condition, hour__gte=first, hour__lte=last
        )
        if self._filter.names_values:
            hours = hours.exclude(category=OTHER)
        return {
            hour: max(0, int(total))
            for hour, total in hours.values("hour").annotate(total=Sum("count")).values_list("hour", "total")
        }
