"""Formats numbers for the operations page."""

from __future__ import annotations

from datetime import timedelta

from systemlog.console.story.timeline import in_words


def size(number: float) -> str:
    """Return a number of bytes: `512 B`, `1.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 100 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def seconds(number: float) -> str:
    """Return a number of seconds as text: `12 ms`, `2 min 03 s`."""
    return in_words(timedelta(seconds=number))


def count(number: int) -> str:
    """Return a number with thousands separators."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 record`, `1,200 records`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
