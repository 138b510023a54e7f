"""Reading the log for a rule about absence: the spans in which no record was, after there was one.

The reading walks from the record that was seen last to the newest: each step asks for the newest record within the
rule's duration after it. So a busy source costs one row a reading, and every gap is found, also after an outage.
"""

from __future__ import annotations

import time

from systemlog.alerts.counting import AHEAD_US, Reading, Slices
from systemlog.alerts.fields import SECOND_US
from systemlog.alerts.records import Statement
from systemlog.alerts.rules import Rule
from systemlog.alerts.spans import Span


class Watcher:
    """Reads for one rule, and remembers how far it has looked for the next record of a source that is silent."""

    def __init__(self, rule: Rule) -> None:
        self._span_us = rule.window_us
        self._newest = Statement(rule)
        self._oldest = Statement(rule, newest_first=False)
        self.slices = Slices(rule.window_us)
        self._position: int | None = None
        """The end of the next older slice in which a record is looked for that landed late."""

    def read(self, now: int, lower: int, more_until: float, last_seen: int | None) -> Reading:
        """Walk from the record seen last to `now`, until the monotonic clock says `more_until`.

        `lower` is the start of the look-back. Raises `DatabaseError`, `BudgetSpent`.
        """
        seen = last_seen if last_seen is not None else self._find_first(now + AHEAD_US, lower)
        spans: list[Span] = []
        while seen is not None and seen < now:
            silent_from = seen + self._span_us
            if found := self._newest.read(seen + 1, min(silent_from, now) + 1, 1):
                seen = found[0]
            elif silent_from > now:
                break
            else:
                following = self._find_next(silent_from + 1, now + 1, lower)
                spans.append(Span(silent_from, following or now + 1, 0))
                if following is None:
                    break
                seen = following
            if seen + self._span_us <= now and time.monotonic() > more_until:
                return Reading(spans, self._span_us // SECOND_US, None, seen)
        return Reading(spans, self._span_us // SECOND_US, now, seen)

    def _find_first(self, upper: int, lower: int) -> int | None:
        """Return the newest record of the look-back."""
        while upper > lower:
            start = max(lower, upper - self.slices.length_us)
            began = time.monotonic()
            found = self._newest.read(start, upper, 1)
            self.slices.learn(time.monotonic() - began)
            if found:
                return found[0]
            upper = start
        return None

    def _find_next(self, start: int, upper: int, lower: int) -> int | None:
        """Return the oldest record that is in the newest slice from `start` on, or in one of the older slices.

        The older slices can have a record only that landed late, so each reading searches one of them.
        """
        start = max(start, lower)
        newest = max(start, upper - self.slices.length_us)
        found = self._search(newest, upper)
        if found is None and newest > start:
            end = self._position if self._position is not None and start < self._position <= newest else newest
            begin = max(start, end - self.slices.length_us)
            found = self._search(begin, end)
            self._position = begin if begin > start else None
        return found

    def _search(self, lower: int, upper: int) -> int | None:
        began = time.monotonic()
        found = self._oldest.read(lower, upper, 1)
        self.slices.learn(time.monotonic() - began)
        return found[0] if found else None
