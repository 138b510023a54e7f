"""Checkpoints: the table that holds how far each journal segment is stored, and the slices that the lander stores."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

CHECKPOINTS = "system_log_checkpoint"

ORPHANED = timedelta(days=365)
"""A checkpoint that has not moved for this long belongs to a host or a disk that no longer exists."""


class Slice(NamedTuple):
    """Consecutive lines of a segment, from byte `start` to byte `end`."""

    segment: uuid.UUID
    start: int
    end: int
    lines: Sequence[bytes]


class Checkpoints:
    """The rows of `system_log_checkpoint`: the byte up to which each segment is stored in the database."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def positions(self, segments: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
        """Return the position of each segment. A segment without a checkpoint is missing from the result."""
        with self._connection.cursor() as cursor:
            return self._select(cursor, list(segments), "")

    def lock(self, cursor: CursorWrapper, slices: Sequence[Slice], start: int) -> dict[uuid.UUID, int]:
        """Lock the checkpoints of the slices' segments for this transaction, and return their positions.

        A segment that another lander has locked is missing from the result. The checkpoint of a new segment is created
        at byte `start`.
        """
        segments = sorted(slice_.segment for slice_ in slices)  # in a fixed order, so that two landers cannot deadlock
        skip = " FOR UPDATE SKIP LOCKED" if self._connection.features.has_select_for_update_skip_locked else ""
        known = self._select(cursor, segments, skip)
        missing = [segment for segment in segments if segment not in known]
        if missing:
            marks = ", ".join(["(%s, %s, %s)"] * len(missing))
            now = self._adapt(datetime.now(UTC))
            values = [value for segment in missing for value in (self._key(segment), start, now)]
            cursor.execute(
                f"INSERT INTO {CHECKPOINTS} (segment, position, moved) VALUES {marks} ON CONFLICT (segment) DO NOTHING",
                values,
            )
            known |= self._select(cursor, missing, skip)
        return known

    def move(self, cursor: CursorWrapper, slices: Iterable[Slice]) -> None:
        """Move the checkpoint of each slice's segment to the end of the slice."""
        now = self._adapt(datetime.now(UTC))
        cursor.executemany(
            f"UPDATE {CHECKPOINTS} SET position = %s, moved = %s WHERE segment = %s",
            [(slice_.end, now, self._key(slice_.segment)) for slice_ in slices],
        )

    def forget(self, segments: Sequence[uuid.UUID]) -> None:
        """Delete the checkpoints of these segments, and those that have not moved for a year."""
        old = self._adapt(datetime.now(UTC) - ORPHANED)
        marks = ", ".join(["%s"] * len(segments)) or "NULL"
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {CHECKPOINTS} WHERE segment IN ({marks}) OR moved < %s",
                [*map(self._key, segments), old],
            )

    def _select(self, cursor: CursorWrapper, segments: Sequence[uuid.UUID], lock: str) -> dict[uuid.UUID, int]:
        if not segments:
            return {}
        marks = ", ".join(["%s"] * len(segments))
        cursor.execute(
            f"SELECT segment, position FROM {CHECKPOINTS} WHERE segment IN ({marks}) ORDER BY segment{lock}",
            list(map(self._key, segments)),
        )
        return {found if isinstance(found, uuid.UUID) else uuid.UUID(found): at for found, at in cursor.fetchall()}

    def _key(self, segment: uuid.UUID) -> uuid.UUID | str:
        return segment if self._connection.features.has_native_uuid_field else segment.hex

    def _adapt(self, instant: datetime) -> Any:
        return self._connection.ops.adapt_datetimefield_value(instant)
