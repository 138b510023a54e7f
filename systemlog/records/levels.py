"""The levels of a record, in rising order."""

from __future__ import annotations

LEVEL_NAMES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def parse_level(text: str) -> str | None:
    """The level that a text names, in any case; None if it names none."""
    level = text.upper()
    return level if text.isascii() and level in LEVEL_NAMES else None
