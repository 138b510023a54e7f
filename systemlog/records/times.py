"""Instants as text, by RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_rfc3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def parse_timestamp(text: str) -> datetime | None:
    """Return the instant of an RFC 3339 date-time in UTC, cut to microseconds; None for any other text.

    A leap second becomes the last microsecond before it.
    """
    match = _rfc3339.fullmatch(text)
    if match is None:
        return None
    date, minutes, seconds, fraction, offset = match.groups()
    leap = seconds == "60"
    if leap:
        seconds, fraction = "59", "999999"
    try:
        instant = datetime.fromisoformat(f"{date}T{minutes}:{seconds}.{fraction or 0:0<6}{offset.upper()}")
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if leap and (instant.hour, instant.minute) != (23, 59) else instant


def represent_time(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, always with six digits of microseconds, so that the texts sort by time."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
