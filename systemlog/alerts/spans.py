"""Spans of time in which a condition held, by the timestamps of the records.

Pure functions. Times are microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from systemlog.records.ids import EPOCH, MICROSECOND


class Span(NamedTuple):
    """The condition held from `start` to before `end`. `peak` is the largest number of records that was counted."""

    start: int
    end: int
    peak: int

    def overlaps(self, start: int, end: int) -> bool:
        """Whether this span shares an instant with the span from `start` to before `end`."""
        return self.start < end and start < self.end


def to_us(instant: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the instant of a number of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def counts_at(times: Sequence[int], within_us: int) -> Iterator[int]:
    """Yield for each time how many times lie in the window that ends there. `times` must be in rising order."""
    low = 0
    for place, instant in enumerate(times):
        while times[low] <= instant - within_us:
            low += 1
        yield place - low + 1


def crowded(
    times: Sequence[int], number: int, within_us: int, needed: Mapping[int, int] = MappingProxyType({})
) -> list[Span]:
    """Return the spans in which more than `number` records lay within `within_us`. `times` must be in rising order.

    If a record and the `number` records before it lie in less than the window, the condition holds from this record on.
    It ends when the first of these records is as old as the window. `needed` has a higher number for some places of
    `times`.
    """
    found: list[Span] = []
    for place, count in enumerate(counts_at(times, within_us)):
        if count <= number or count <= needed.get(place, number):
            continue
        instant, end = times[place], times[place - needed.get(place, number)] + within_us
        if found and instant <= found[-1].end:
            last = found[-1]
            found[-1] = Span(last.start, max(last.end, end), max(last.peak, count))
        else:
            found.append(Span(instant, end, count))
    return found


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in rising order. Spans that touch are merged into one."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            last = merged[-1]
            merged[-1] = Span(last.start, max(last.end, span.end), max(last.peak, span.peak))
        else:
            merged.append(span)
    return merged
