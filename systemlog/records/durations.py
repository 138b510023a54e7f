"""Durations as text: `15m`, `30d`, `2w`, `7y`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=366),  # records that must be kept for seven years must not go a day early
}

_duration = re.compile(r"(\d{1,6})([smhdwy])", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the duration that a number and a unit (s, m, h, d, w, y) name; a year has 366 days.

    Raises `ValueError` for any other text.
    """
    match = _duration.fullmatch(text)
    if match is None:
        raise ValueError("Write a number and a unit: 90s, 15m, 12h, 30d, 2w or 7y.")
    number, unit = match.groups()
    return UNITS[unit] * int(number)


def format_duration(span: timedelta) -> str:
    """Return the text of a duration in whole seconds, in the largest unit that fits. `parse_duration` reads it."""
    for unit in ("w", "d", "h", "m"):
        number, rest = divmod(span, UNITS[unit])
        if number and not rest:
            return f"{number}{unit}"
    return f"{span // UNITS['s']}s"
