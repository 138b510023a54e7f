"""The walk through time in slices: from the newest records back, or from the oldest on.

So every search is bounded, with or without an index, and no query has to lock all partitions at once. A slice that was
found quickly is followed by a much longer one, so that an index, or years without a record, cost a few queries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import inf

from systemlog.records.ids import MICROSECOND
from systemlog.storage import Storage
from systemlog.storage.calendar import Span

FIRST_SLICE = timedelta(hours=1)
INDEXED_SLICE = timedelta(days=1)
"""Where an index has the records in the order of time, a page ends long before its slice."""

SMALLEST_SLICE = timedelta(milliseconds=1)
LONGEST_SLICE = timedelta(days=365_000)
"""Where a filter leaves a handful of records, and an index finds them, the first slice is as long."""

SLICE_S = 0.1
"""So long a slice should take: what is lost when a budget ends in it is a small part of the budget."""

MOST_GROWTH = 32
PARTITIONS_OF_A_SLICE = 40
"""A query locks each partition that it may touch, with all its indexes: a month of days, and those made ahead."""

MARGIN = 1.5
"""By so much longer a slice is than what is missing needs, if the records go on as they came."""

START_OF_TIME = datetime.min.replace(tzinfo=UTC)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def slices_down(
    storage: Storage,
    since: datetime | None,
    until: datetime | None,
    step: timedelta,
    missing: Callable[[], float] = lambda: inf,
) -> Iterator[Span]:
    """From `until` (or the newest) back to `since` (or the oldest). The first slice is `step` long.

    `missing` says how many times as many records as were found are still looked for.
    """
    top, floor = until or END_OF_TIME, since or START_OF_TIME
    partitions = storage.partition_spans()
    # What lies in the future goes with the first slice of the present.
    start = began_at = min(top, datetime.now(UTC))
    short = inf
    while True:
        bottom = max(floor, start - step if start - START_OF_TIME > step else START_OF_TIME)
        touched = [partition for partition in partitions if partition.lower < top and partition.upper > bottom]
        if len(touched) > PARTITIONS_OF_A_SLICE:
            bottom = max(bottom, touched[PARTITIONS_OF_A_SLICE - 1].lower)
        elif partitions and not touched:
            # Nothing as far as the next partition.
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
                step = min(step, _as_long(began_at - bottom, short * MARGIN))
        start = top = bottom


def slices_up(storage: Storage, since: datetime | None, until: datetime | None, step: timedelta) -> Iterator[Span]:
    """From `since` (or the oldest) on to `until` (or the newest)."""
    bottom, ceiling = since or START_OF_TIME, until or END_OF_TIME
    partitions = storage.partition_spans()[::-1]
    while bottom < ceiling:
        top = min(ceiling, bottom + step if END_OF_TIME - bottom > step else END_OF_TIME)
        touched = [partition for partition in partitions if partition.lower < top and partition.upper > bottom]
        if len(touched) > PARTITIONS_OF_A_SLICE:
            top = min(top, touched[PARTITIONS_OF_A_SLICE - 1].upper)
        began = time.monotonic()
        yield Span(bottom, top)
        bottom, step = top, _grown(step, time.monotonic() - began)


def length(span: Span) -> timedelta:
    """How much of the past the span covers; the first one is open towards the future."""
    return max(min(span.upper, datetime.now(UTC)) - span.lower, timedelta(0))


def just_after(instant: datetime) -> datetime:
    """The next microsecond; at the end of the calendar the instant itself."""
    return instant + MICROSECOND if instant < END_OF_TIME else instant


def just_before(instant: datetime) -> datetime:
    """The microsecond before; at the start of the calendar the instant itself."""
    return instant - MICROSECOND if instant > START_OF_TIME else instant


def _as_long(length: timedelta, times: float) -> timedelta:
    return max(length * times, SMALLEST_SLICE) if times < LONGEST_SLICE / max(length, SMALLEST_SLICE) else LONGEST_SLICE


def _grown(step: timedelta, took_s: float) -> timedelta:
    growth = min(SLICE_S / took_s, MOST_GROWTH) if took_s > 0 else MOST_GROWTH
    return min(max(step * growth, SMALLEST_SLICE), LONGEST_SLICE)
