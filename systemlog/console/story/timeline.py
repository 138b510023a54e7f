"""The positions of a story's records on the axis of time. This module reads no database and no request.

Positions are percentages of the width, for attributes of SVG elements, because the pages have no inline styles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite

COLOURS = 8
"""The number of colours for services in the style sheet. A story with more services reuses them."""

LONGEST_BAR = timedelta(hours=1)
GAP_SHARE = 0.12
"""A gap of at least this share of the story's length is shown as text between its two records."""

SHORTEST_GAP = timedelta(milliseconds=20)
MILLISECOND = timedelta(milliseconds=1)
TICKS = 5
_zeros = re.compile(r"\.0+ ")


@dataclass(frozen=True, slots=True)
class Event:
    """A record to be placed on the axis: its time, its service, and the duration that it reports."""

    timestamp: datetime
    service: str
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A record on the axis."""

    offset: str
    """The time since the first record, as text."""

    gap: str
    """The time since the previous record as text, if it is a long gap; else empty."""

    since: str
    """The time since the previous record, as text."""

    at: str
    """The position of the record's timestamp."""

    waited: tuple[str, str]
    """Start and width of the line that shows the time since the previous record."""

    bar: tuple[str, str] | None
    """Start and width of the bar that shows the duration the record reports, or None if it reports none."""

    took: str
    colour: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the axis."""

    at: str
    label: str
    side: str
    """The `text-anchor` of the label. It keeps the first and the last label inside the axis."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that takes part in the story."""

    name: str
    colour: int
    count: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The places of all records, in order, with the marks of the axis and the services."""

    places: list[Place]
    ticks: list[Tick]
    services: list[Service]
    length: str


def make_timeline(events: Sequence[Event], beginning: datetime | None = None) -> Timeline:
    """Place events, which must be in order of time. `beginning` is the start of the story, if earlier."""
    zero = beginning or events[0].timestamp
    left = min([events[0].timestamp, *(event.timestamp - _length(event) for event in events)])
    right = events[-1].timestamp
    width = right - left
    colours: dict[str, int] = {}
    counts: dict[str, int] = {}
    for event in events:
        colours.setdefault(event.service, len(colours) % COLOURS)
        counts[event.service] = counts.get(event.service, 0) + 1

    def at(instant: datetime) -> float:
        return 100 * ((instant - left) / width) if width else 0.0

    places = []
    before = events[0].timestamp
    for event in events:
        gap = event.timestamp - before
        x, started = at(event.timestamp), at(event.timestamp - _length(event))
        places.append(
            Place(
                offset=in_words(event.timestamp - zero),
                gap=in_words(gap) if width and gap >= SHORTEST_GAP and gap / width >= GAP_SHARE else "",
                since=in_words(gap),
                at=_percent(x),
                waited=(_percent(at(before)), _percent(x - at(before))),
                bar=None if event.took is None else (_percent(started), _percent(x - started)),
                took="" if event.took is None else in_words(event.took),
                colour=colours[event.service],
            )
        )
        before = event.timestamp
    services = [Service(name, colour, counts[name]) for name, colour in colours.items()]
    return Timeline(places, _ticks(left, right, zero), services, in_words(width))


def in_words(length: timedelta) -> str:
    """Return a length of time as text: `0.35 ms`, `12 ms`, `1.204 s`, `2 min 03 s`, `3 h 20 min`."""
    sign = "\N{MINUS SIGN}" if length < timedelta(0) else ""
    length = abs(length)
    milliseconds = length / MILLISECOND
    seconds = int(length.total_seconds())
    if milliseconds < 1000:
        digits = 0 if milliseconds >= 10 or milliseconds == int(milliseconds) else 1 if milliseconds >= 1 else 2
        text = f"{milliseconds:.{digits}f} ms"
        return f"{sign}{text}" if text != "1000 ms" else f"{sign}1.000 s"
    if seconds < 60:
        return f"{sign}{length.total_seconds():.3f} s" if seconds < 10 else f"{sign}{length.total_seconds():.2f} s"
    if seconds < 3600:
        return f"{sign}{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86400:
        return f"{sign}{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return f"{sign}{seconds // 86400:,} d {seconds % 86400 // 3600} h"


def read_length(text: str | None) -> timedelta | None:
    """Return the length of time of a text with a number of milliseconds, or None if it is no number or too long."""
    try:
        milliseconds = float(text or "")
    except ValueError:
        return None
    if not isfinite(milliseconds) or not 0 <= milliseconds <= LONGEST_BAR / MILLISECOND:
        return None
    return timedelta(milliseconds=milliseconds)


def _length(event: Event) -> timedelta:
    return event.took or timedelta(0)


def _ticks(left: datetime, right: datetime, zero: datetime) -> list[Tick]:
    """Return three to five marks at round times."""
    width = (right - left) / MILLISECOND
    if width <= 0:
        return []
    step = next(step for step in _round_lengths() if width / step <= TICKS - 1)
    number = -(-((left - zero) / MILLISECOND) // step)
    ticks = []
    while (instant := zero + number * step * MILLISECOND) <= right:
        x = 100 * ((instant - left) / (right - left))
        side = "start" if x < 4 else "end" if x > 90 else "middle"
        label = _zeros.sub(" ", in_words(instant - zero)) if number else "0"
        ticks.append(Tick(_percent(x), label, side))
        number += 1
    return ticks


def _round_lengths() -> list[float]:
    small = [factor * 10.0**power for power in range(-3, 4) for factor in (1, 2, 5)]
    return [*small, *(1000.0 * seconds for seconds in (15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200))] + [
        86_400_000.0 * days for power in range(6) for days in (10**power, 2 * 10**power, 5 * 10**power)
    ]


def _percent(x: float) -> str:
    return f"{min(100.0, max(0.0, x)):.2f}%"
