"""Reading the log for a rule that counts: finds the spans of the look-back that have too many records.

Each reading takes the newest records first, `PAGE_ROWS` per statement. If the look-back has more records, a sweep
continues from one reading to the next, page by page. So no reading takes long, and every record that landed late is
seen.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from systemlog.alerts.comparing import EarlierTime
from systemlog.alerts.fields import SECOND_US
from systemlog.alerts.records import Statement
from systemlog.alerts.rules import Rule
from systemlog.alerts.spans import Span, crowded, merge
from systemlog.exceptions import SystemLogError

PAGE_ROWS, NEWEST_ROWS = 5000, 2000
"""Rows per statement. Reading all of a storm of 200,000 errors an hour takes 418 ms, reading `PAGE_ROWS` 10 ms.

The newest records are read in every evaluation, so their page is smaller.
"""

MOST_ROWS = 100_000
"""The most rows of one statement, for a rule that compares with a busy earlier time."""

AHEAD_US = 5 * 60 * SECOND_US
"""How far in the future the timestamp of a record may lie. The API refuses later ones."""

SLOW_S, QUICK_S = 0.01, 0.004
"""A statement slower than `SLOW_S` shortens the slice of time that the next one reads; one faster than `QUICK_S` may
double it."""

QUICK_AFTER_SLOW = 50
"""How many quick statements follow a slow one before the slice grows again. Otherwise every other one would be slow."""

FIRST_SLICE_US = 5 * 60 * SECOND_US


class Reading(NamedTuple):
    """The result of one reading: the spans that were found, and the threshold that applied.

    `complete_at` is when the sweep began that has now reached the end of the look-back, or None while a sweep is under
    way. `last_seen` is the time of the last record seen, for a rule about absence.
    """

    spans: list[Span]
    threshold: int
    complete_at: int | None
    last_seen: int | None = None


class Page(NamedTuple):
    """The spans in a page, the number that the first of them exceeds, and where the next page ends.

    `following` is the start of the look-back if no page follows.
    """

    spans: list[Span]
    threshold: int
    following: int


class Slices:
    """The length of the slices of time that a rule reads. It grows after quick statements, shrinks after slow ones."""

    def __init__(self, least_us: int) -> None:
        self._least_us = least_us
        self._quick_to_come = 0
        self.length_us = max(FIRST_SLICE_US, least_us)

    def learn(self, took_s: float) -> None:
        """Adapt the length to how long a statement took."""
        if took_s > SLOW_S:
            self.shorten(took_s / SLOW_S)
        elif took_s < QUICK_S and self._quick_to_come:
            self._quick_to_come -= 1
        elif took_s < QUICK_S:
            self.length_us = min(self.length_us * 2, 400 * 86_400 * SECOND_US)

    def shorten(self, times: float = 2.0) -> None:
        """Shorten the length by a factor of 2 at least, but not below what the rule needs."""
        self._quick_to_come = QUICK_AFTER_SLOW
        self.length_us = max(self._least_us, int(self.length_us / max(2.0, times)))


class TooMany(SystemLogError):
    """A rule that compares with an earlier time would have to count more than `MOST_ROWS` records."""


class Counter:
    """Reads the log for one rule, and remembers between readings how far its sweep has come."""

    def __init__(self, rule: Rule, earlier: EarlierTime | None = None) -> None:
        self._rule = rule
        self._statement = Statement(rule)
        self._earlier = earlier
        self.slices = Slices(rule.window_us * 2)
        self._sweep: tuple[int, int] | None = None
        """When the sweep under way began, and the instant down to which it has read."""

    def read(self, now: int, lower: int, more_until: float, told: Sequence[tuple[int, int]] = ()) -> Reading:
        """Read the newest records, then older ones down to `lower`, until the monotonic clock has passed `more_until`.

        At least one page of the sweep is read in any case. The sweep leaves out the spans that were told already:
        whatever landed late in them belongs to the same alert. So a storm is read once.

        Raises `DatabaseError`, `BudgetSpent`, `TooMany`.
        """
        began, resume = self._sweep or (now, None)
        page = self._page(now + AHEAD_US, lower, first=True)
        pages, position = [page], page.following
        if resume is not None and position > lower:
            position = min(resume, position) if resume > lower else lower
        position = _before(position, told)
        while position > lower and not (len(pages) > 1 and time.monotonic() > more_until):
            pages.append(self._page(position, lower))
            position = _before(pages[-1].following, told)
        complete = position <= lower
        self._sweep = None if complete else (began, position)
        threshold = next((page.threshold for page in pages if page.spans), page.threshold)
        return Reading(merge(span for page in pages for span in page.spans), threshold, began if complete else None)

    def _page(self, upper: int, lower: int, *, first: bool = False) -> Page:
        """Return what the page that ends at `upper` has."""
        window_us = self._rule.window_us
        start = max(lower, upper - self.slices.length_us - (AHEAD_US if first else 0))
        number = highest = self._rule.threshold
        if self._earlier:
            number, highest = self._earlier.bounds(start, upper)
        rows = min(MOST_ROWS, max(NEWEST_ROWS if first else PAGE_ROWS, 2 * highest))
        times = self._read(start, upper, rows)
        needed = self._earlier.needed(times, number) if self._earlier else {}
        while len(times) == rows and _is_open(times, window_us, needed):
            if rows == MOST_ROWS:
                raise TooMany
            rows = min(MOST_ROWS, 4 * rows)
            times = self._read(start, upper, rows)
            needed = self._earlier.needed(times, number) if self._earlier else {}
        spans = crowded(times, number, window_us, needed)
        shown = needed.get(bisect_left(times, spans[0].start), number) if spans else number
        read_down_to = times[0] if len(times) == rows else start
        if read_down_to <= lower:
            return Page(spans, shown, lower)
        # The next page begins a window later, because this page may have had only a part of that window.
        following = read_down_to + window_us
        return Page(spans, shown, following if following < upper else read_down_to)

    def _read(self, start: int, upper: int, rows: int) -> list[int]:
        """Return the times of the newest records of a span, in rising order."""
        began = time.monotonic()
        times = self._statement.read(start, upper, rows)
        self.slices.learn(time.monotonic() - began)
        times.reverse()
        return times


def _before(position: int, told: Sequence[tuple[int, int]]) -> int:
    """Return the position, or the start of the reported span that it lies in."""
    return min([position, *(start for start, end in told if start < position <= end)])


def _is_open(times: Sequence[int], window_us: int, needed: Mapping[int, int]) -> bool:
    """Whether more records must be read to know if the last window of a full page has more than it needs."""
    in_part = times[-1] - window_us < times[0]
    return in_part and len(times) <= needed.get(len(times) - 1, 0)
