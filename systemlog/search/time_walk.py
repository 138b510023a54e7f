"""The walk through time in slices, from the newest records back or from the oldest on.

Slices bound every statement of a search, with or without an index, and keep it from locking all partitions at once. A
slice that was read quickly is followed by a much longer one, so that a search with an index, or through years without a
record, takes few statements.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import inf

from systemlog.records.ids import MICROSECOND
from systemlog.storage import Storage
from systemlog.storage.calendar import BEGINNING, END, Span

FIRST_SLICE = timedelta(hours=1)
INDEXED_SLICE = timedelta(days=1)
"""The first slice where an index has the records in the order of time: the page is full long before the slice ends."""

SMALLEST_SLICE = timedelta(milliseconds=1)
LONGEST_SLICE = timedelta(days=365_000)
"""The longest slice, which is also the first one where an index finds few records."""

SLICE_S = 0.1
"""The time that reading a slice should take. If the budget ends in a slice, this small part of it is lost."""

MOST_GROWTH = 32
"""A slice is at most this many times as long as the one before."""

PARTITIONS_OF_A_SLICE = 40
"""A slice touches at most this many partitions: a month of days, and those made ahead.

A query locks each partition that it may touch, with all its indexes.
"""

MARGIN = 1.5
"""A slice is this many times as long as the missing records need, if they are as frequent as those found."""


def slices_down(
    storage: Storage,
    since: datetime | None,
    until: datetime | None,
    step: timedelta,
    missing: Callable[[], float] = lambda: inf,
) -> Iterator[Span]:
    """Yield the slices from `until` (or the newest record) back to `since` (or the oldest). The first is `step` long.

    `missing` returns how many records are still wanted, as a multiple of those that were found.
    """
    top, floor = until or END, since or BEGINNING
    partitions = storage.partition_spans()
    # The first slice also holds the records of the future.
    start = began_at = min(top, datetime.now(UTC))
    short = inf
    while True:
        bottom = max(floor, start - step if start - BEGINNING > step else BEGINNING)
        touched = [partition for partition in partitions if partition.lower < top and partition.upper > bottom]
        if len(touched) > PARTITIONS_OF_A_SLICE:
            bottom = max(bottom, touched[PARTITIONS_OF_A_SLICE - 1].lower)
        elif partitions and not touched:
            # There is no record down to the next partition.
            bottom = max(floor, next((partition.upper for partition in partitions if partition.upper <= top), floor))
        if partitions and partitions[-1].lower >= bottom:
            bottom = floor  # there is no older partition
        elif not partitions and bottom > floor:
            bottom = max(floor, storage.empty_down_to(bottom))
        began = time.monotonic()
        yield Span(bottom, top)
        if bottom <= floor:
            return
        if touched or not partitions:
            step = _grown(step, time.monotonic() - began)
            before, short = short, missing()
            if short < before:
                step = min(step, _multiple(began_at - bottom, short * MARGIN))
        start = top = bottom


def slices_up(storage: Storage, since: datetime | None, until: datetime | None, step: timedelta) -> Iterator[Span]:
    """Yield the slices from `since` (or the oldest record) on to `until` (or the newest). The first is `step` long."""
    bottom, ceiling = since or BEGINNING, until or END
    partitions = storage.partition_spans()[::-1]
    while bottom < ceiling:
        top = min(ceiling, bottom + step if END - bottom > step else END)
        touched = [partition for partition in partitions if partition.lower < top and partition.upper > bottom]
        if len(touched) > PARTITIONS_OF_A_SLICE:
            top = min(top, touched[PARTITIONS_OF_A_SLICE - 1].upper)
        began = time.monotonic()
        yield Span(bottom, top)
        bottom, step = top, _grown(step, time.monotonic() - began)


def length(span: Span) -> timedelta:
    """Return how much of the past the span covers. The part of a span that lies in the future does not count."""
    return max(min(span.upper, datetime.now(UTC)) - span.lower, timedelta(0))


def just_after(instant: datetime) -> datetime:
    """Return the next microsecond, or the instant itself at the end of the calendar."""
    return instant + MICROSECOND if instant < END else instant


def just_before(instant: datetime) -> datetime:
    """Return the microsecond before, or the instant itself at the start of the calendar."""
    return instant - MICROSECOND if instant > BEGINNING else instant


def _multiple(length: timedelta, times: float) -> timedelta:
    """Return the length times a factor, between the shortest and the longest slice."""
    return max(length * times, SMALLEST_SLICE) if times < LONGEST_SLICE / max(length, SMALLEST_SLICE) else LONGEST_SLICE


def _grown(step: timedelta, took_s: float) -> timedelta:
    """Return the length of the slice after one of length `step` that took `took_s` seconds."""
    growth = min(SLICE_S / took_s, MOST_GROWTH) if took_s > 0 else MOST_GROWTH
    return min(max(step * growth, SMALLEST_SLICE), LONGEST_SLICE)
