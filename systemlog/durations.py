"""Spans of time as people write them: `15m`, `30d`, `2w`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_duration = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """The span that a number and a unit (s, m, h, d, w) name. Raises `ValueError` for anything else."""
    match = _duration.fullmatch(text)
    if match is None:
        raise ValueError("Write a number and a unit: 90s, 15m, 12h, 30d or 2w.")
    number, unit = match.groups()
    return timedelta(**{UNITS[unit]: int(number)})


def format_duration(span: timedelta) -> str:
    """The text for whole seconds that `parse_duration` reads, in the largest unit that fits."""
    for unit in ("w", "d", "h", "m"):
        number, rest = divmod(span, timedelta(**{UNITS[unit]: 1}))
        if number and not rest:
            return f"{number}{unit}"
    return f"{span // timedelta(seconds=1)}s"
