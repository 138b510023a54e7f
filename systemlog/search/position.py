"""A place in the order of the log, `(timestamp, id)`, from which a page can start."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import NamedTuple

from django.db.models import DateTimeField, UUIDField, Value

from systemlog.search.time_walk import just_after, just_before
from systemlog.storage.expressions import KeyCompared

LOWEST_ID, HIGHEST_ID = uuid.UUID(int=0), uuid.UUID(int=(1 << 128) - 1)


class Position(NamedTuple):
    """The key of a record, or a key between two records. A page starts just beyond its position."""

    timestamp: datetime
    id: uuid.UUID


def beyond(position: Position, backwards: bool) -> KeyCompared:
    """Return the condition that a record is older than the position or, `backwards`, newer."""
    timestamp = Value(position.timestamp, DateTimeField())
    return KeyCompared(">" if backwards else "<", timestamp, Value(position.id, UUIDField()))


def start_of_instant(instant: datetime) -> Position:
    """Return the position older than every record of the instant, and newer than all before it."""
    return Position(instant, LOWEST_ID)


def end_of_instant_before(instant: datetime) -> Position:
    """Return the position newer than every record before the instant."""
    return Position(just_before(instant), HIGHEST_ID)


def way_back(position: Position, backwards: bool) -> Position:
    """Return where the way back from an empty page starts, so that the record at `position` is found again."""
    return start_of_instant(just_after(position.timestamp)) if backwards else end_of_instant_before(position.timestamp)
