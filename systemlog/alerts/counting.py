"""Reading the log for a rule that counts: the spans of the look-back in which there were too many records.

Each reading takes the newest records first, `PAGE_ROWS` in a statement. Where the look-back has more, a sweep goes on
from reading to reading, a page at a time, so that no reading takes long and every record is seen that landed late.
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
"""A storm of 200,000 errors an hour takes 418 ms to read in full, and 10 ms to read this many of."""

AHEAD_US = 5 * 60 * SECOND_US
"""How far ahead of now a record may lie: the API takes no later ones."""

SLOW_S, QUICK_S = 0.01, 0.004
"""A statement that takes longer than the first halves the slice of time of the next, a quicker one than the second
doubles it."""

FIRST_SLICE_US = 10 * 60 * SECOND_US


class Reading(NamedTuple):
    """What one reading found: the spans, and the threshold that held.

    `complete_at` is when the reading began that has come to the end of the look-back, None where the sweep goes on.
    """

    spans: list[Span]
    threshold: int
    complete_at: int | None
    last_seen: int | None = None


class Slices:
    """The length of the slices of time that a rule reads: as long as statements are quick."""

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
    """Reads for one rule, and remembers between readings how far its sweep has come."""

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
        """When the sweep under way began, and the instant down to which it has come."""

    def read(self, now: int, lower: int, more_until: float) -> Reading:
        """Read the newest records, then older ones down to `lower` until the monotonic clock says `more_until`.

        At least one page of the sweep is read. Raises `DatabaseError`, `BudgetSpent`.
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
        """Return the spans of a page that ends at `upper`, the end of the next page, and the threshold.

        The next page ends at `lower` if there is none.
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
        # The next page has the window again, of which this page may have had a part only.
        following = read_down_to + rule.window_us
        return spans, following if following < upper else read_down_to, number
