"""Reading the log for a rule that counts: finds the spans of the look-back that have too many records.

Each reading takes the newest records first, `PAGE_ROWS` per statement. If the look-back has more records, a sweep
continues from one reading to the next, page by page. So no reading takes long, and every record that landed late is
seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from systemlog.alerts.fields import SECOND_US
from systemlog.alerts.records import Statement
from systemlog.alerts.rules import Rule
from systemlog.alerts.spans import Span, crowded, merge

PAGE_ROWS = 5000
"""Rows per statement. Reading all of a storm of 200,000 errors an hour takes 418 ms, reading this many rows 10 ms."""

AHEAD_US = 5 * 60 * SECOND_US
"""How far in the future the timestamp of a record may lie. The API refuses later ones."""

SLOW_S, QUICK_S = 0.01, 0.004
"""A statement slower than `SLOW_S` halves the slice of time that the next one reads; one faster than `QUICK_S` doubles
it."""

FIRST_SLICE_US = 10 * 60 * SECOND_US


class Reading(NamedTuple):
    """The result of one reading: the spans that were found, and the threshold that applied.

    `complete_at` is when the sweep began that has now reached the end of the look-back, or None while a sweep is under
    way. `last_seen` is the time of the last record seen, for a rule about absence.
    """

    spans: list[Span]
    threshold: int
    complete_at: int | None
    last_seen: int | None = None


class Slices:
    """The length of the slices of time that a rule reads. It grows after quick statements, shrinks after slow ones."""

    def __init__(self, least_us: int) -> None:
        self._least_us = least_us
        self.length_us = max(FIRST_SLICE_US, least_us)

    def learn(self, took_s: float) -> None:
        """Adapt the length to how long a statement took."""
        if took_s > SLOW_S:
            self.shorten()
        elif took_s < QUICK_S:
            self.length_us = min(self.length_us * 2, 400 * 86_400 * SECOND_US)

    def shorten(self) -> None:
        """Halve the length, down to the window of the rule."""
        self.length_us = max(self._least_us, self.length_us // 2)


class Counter:
    """Reads the log for one rule, and remembers between readings how far its sweep has come."""

    def __init__(
        self,
        rule: Rule,
        threshold: Callable[[int, int], int] | None = None,
        exceeds: Callable[[Span], bool] = lambda span: True,
    ) -> None:
        self._rule = rule
        self._statement = Statement(rule)
        self._exceeds = exceeds
        self._threshold = threshold or (lambda lower, upper: rule.threshold)
        self.slices = Slices(rule.window_us * 2)
        self._sweep: tuple[int, int] | None = None
        """When the sweep under way began, and the instant down to which it has read."""

    def read(self, now: int, lower: int, more_until: float) -> Reading:
        """Read the newest records, then older ones down to `lower`, until the monotonic clock has passed `more_until`.

        At least one page of the sweep is read in any case. Raises `DatabaseError`, `BudgetSpent`.
        """
        began, resume = self._sweep or (now, None)
        spans, position, threshold = self._page(now + AHEAD_US, lower, first=True)
        if resume is not None and position > lower:
            position = min(resume, position) if resume > lower else lower
        read_one = False
        while position > lower and not (read_one and time.monotonic() > more_until):
            found, position, _ = self._page(position, lower)
            spans += found
            read_one = True
        complete = position <= lower
        self._sweep = None if complete else (began, position)
        return Reading(merge(spans), threshold, began if complete else None)

    def _page(self, upper: int, lower: int, *, first: bool = False) -> tuple[list[Span], int, int]:
        """Return the spans in the page that ends at `upper`, the end of the next page, and the threshold.

        The end of the next page is `lower` if no page follows.
        """
        rule = self._rule
        start = max(lower, upper - self.slices.length_us - (AHEAD_US if first else 0))
        number = self._threshold(start, upper)
        rows = max(PAGE_ROWS, 2 * number)
        began = time.monotonic()
        times = self._statement.read(start, upper, rows)
        self.slices.learn(time.monotonic() - began)
        times.reverse()
        spans = [span for span in crowded(times, number, rule.window_us) if self._exceeds(span)]
        read_down_to = times[0] if len(times) == rows else start
        if read_down_to <= lower:
            return spans, lower, number
        # The next page begins a window later, because this page may have had only a part of that window.
        following = read_down_to + rule.window_us
        return spans, following if following < upper else read_down_to, number
