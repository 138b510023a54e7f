"""The levels of a record, in rising order.

A level travels as the third column of a record's line. Only code that counts by level, or compares two levels, takes
the level's place in this order from the line (`copy_text.level_of`).
"""

from __future__ import annotations

LEVEL_NAMES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

LEVEL_COLUMNS = tuple(name.encode() for name in LEVEL_NAMES)
"""The levels as they stand in a line."""


def parse_level(text: str) -> str | None:
    """Return the level that a text names, in any case; None if the text names no level."""
    level = text.upper()
    return level if text.isascii() and level in LEVEL_NAMES else None
