"""What the lander gives to a storage: slices of segments; and the table that says how far the database has them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

CHECKPOINTS = "system_log_checkpoint"

ORPHANED = timedelta(days=365)
"""A checkpoint that was not moved for so long is of a host or a disk that is gone."""


class Slice(NamedTuple):
    """Lines that stand one behind the other in a segment, from byte `start` to byte `end`."""

    segment: uuid.UUID
    start: int
    end: int
    lines: Sequence[bytes]


class Checkpoints:
    """The rows of `system_log_checkpoint`: the byte up to which each segment is in the database."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def positions(self, segments: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
        """How far the segments are; one that the database does not know is missing."""
        with self._connection.cursor() as cursor:
            return self._select(cursor, list(segments), "")

    def lock(self, cursor: CursorWrapper, slices: Sequence[Slice], start: int) -> dict[uuid.UUID, int]:
        """The same, for this transaction to move: a segment that another lander has just now is missing.

        A segment that is new to the database begins at byte `start`.
        """
        segments = sorted(slice_.segment for slice_ in slices)  # in one order, so that two landers queue
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
        """Set the segments of the slices to their ends."""
        now = self._adapt(datetime.now(UTC))
        cursor.executemany(
            f"UPDATE {CHECKPOINTS} SET position = %s, moved = %s WHERE segment = %s",
            [(slice_.end, now, self._key(slice_.segment)) for slice_ in slices],
        )

    def forget(self, segments: Sequence[uuid.UUID]) -> None:
        """Remove the rows of segments whose files are gone, and of those that nobody will ever ask for."""
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
