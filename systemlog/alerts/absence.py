"""Reading the log for a rule about absence (`none_for`): finds the spans without a record that followed a record.

The reading walks from the last record seen to the newest one. Each step asks for the newest record within the rule's
duration after the current one. So a busy source costs one row per reading, and every gap is found, also after an
outage.
"""

from __future__ import annotations

import time

from systemlog.alerts.counting import AHEAD_US, Reading, Slices
from systemlog.alerts.fields import SECOND_US
from systemlog.alerts.records import Statement
from systemlog.alerts.rules import Rule
from systemlog.alerts.spans import Span


class Watcher:
    """Reads the log for one rule, and remembers how far it has searched for the next record of a silent source."""

    def __init__(self, rule: Rule) -> None:
        self._span_us = rule.window_us
        self._newest = Statement(rule)
        self._oldest = Statement(rule, newest_first=False)
        self.slices = Slices(rule.window_us)
        self._position: int | None = None
        """End of the next older slice to search for a record that landed late."""

    def read(self, now: int, lower: int, more_until: float, last_seen: int | None) -> Reading:
        """Walk from the last record seen to `now`, and stop early once the monotonic clock has passed `more_until`.

        `lower` is the start of the look-back. `last_seen` is the time of the last record seen, or None at first.
        Raises `DatabaseError`, `BudgetSpent`.
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
        """Return the time of the newest record in the look-back, or None if there is none."""
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
        """Return the time of the oldest record in the newest slice, or else in one older slice; None without a record.

        Only records that landed late can be in the older slices, so each reading searches only one of them.
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
