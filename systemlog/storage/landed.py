"""Records that have landed since a mark, in the order of landing, whatever their timestamps are.

A `Mark` is a place in the order of landing. Each storage has its own values for it, which no other code interprets.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MARK_LIFETIME_S = 15 * 60
"""An older mark is refused. Soon after this time, what the database has noted about landed records is deleted."""

Mark = list[Any]
"""A place in the order of landing, as JSON can express it."""

Key = tuple[datetime, uuid.UUID]


@dataclass(frozen=True, slots=True)
class Landed:
    """Keys of landed records, oldest first, and whether there are more.

    `mark_after` takes a number of the keys, and returns the mark behind that many of them. `source` is what the
    storage's own `records_of` needs.
    """

    keys: list[Key]
    more: bool
    mark_after: Callable[[int], Mark]
    source: Sequence[Any] = ()
