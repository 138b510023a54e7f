"""Maintenance of the journal's folder beside landing: logs what was refused, and removes what is landed."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from systemlog.conf import conf
from systemlog.journal import directory
from systemlog.journal.counts import count_segment
from systemlog.journal.files import CLOSES_AT
from systemlog.journal.segments import UNFINISHED, Cell, SegmentReader, lock_is_free
from systemlog.landing.stats import added, read_ledger, write_ledger
from systemlog.records.levels import LEVEL_NAMES
from systemlog.storage import Storage

logger = logging.getLogger("systemlog.landing")

EVERY_S = 1.0
"""Interval between two runs; nothing here is urgent."""

ABANDONED_S = 60.0
"""A segment that is still unfinished after this time was abandoned by its writer."""


class Housekeeping:
    """Maintains the folder of one lander."""

    def __init__(self, folder: Path, storage: Callable[[], Storage]) -> None:
        self._folder = folder
        self._storage = storage
        self._kept_at = float("-inf")
        self._unreported = (0,) * len(LEVEL_NAMES)
        """By level, what segments refused that are removed by now and that no record in the log mentions yet."""

    def keep(self, segments: Sequence[SegmentReader], positions: Mapping[uuid.UUID, int]) -> list[SegmentReader]:
        """Maintain the folder if it is time, and return the segments that were removed.

        `positions` says how far each segment is landed. Raises `DatabaseError`.
        """
        now = time.monotonic()
        if now - self._kept_at < EVERY_S:
            return []
        self._kept_at = now
        self._log_refused(segments)
        gone = self._remove_landed(segments, positions)
        if gone:
            self._storage().checkpoints().forget([segment.id for segment in gone])
        self._remove_abandoned()
        self._storage().compact_rollup()
        return gone

    def _log_refused(self, segments: Sequence[SegmentReader]) -> None:
        """Log how much the journal refused, once there is room again."""
        refused = [(segment, segment.refused()) for segment in segments]
        total = [sum(counts) for counts in zip(self._unreported, *(counts for _, counts in refused), strict=True)]
        if not any(total) or directory.read_state().fill >= CLOSES_AT[0] or directory.is_crowded(self._folder):
            return
        by_level = {name: count for name, count in zip(LEVEL_NAMES, total, strict=True) if count}
        logger.warning(
            "The journal had no room for records, and refused them.",
            extra={"action": "journal.refused", "refused": by_level},
        )
        for segment, counts in refused:
            if any(counts):
                segment.set_reported()
        self._unreported = (0,) * len(LEVEL_NAMES)

    def _remove_landed(
        self, segments: Sequence[SegmentReader], positions: Mapping[uuid.UUID, int]
    ) -> list[SegmentReader]:
        """Remove segments that are landed and whose writers have exited, after `JOURNAL_KEEP_S`.

        Where the disk is full they are removed at once, because new records need the room more.
        """
        landed = [segment for segment in segments if segment.size <= positions[segment.id] and segment.is_finished]
        now = time.time()
        most = conf().JOURNAL_MAX_BYTES
        held = sum(segment.size for segment in segments)
        gone = []
        crowded = bool(landed) and directory.is_crowded(self._folder)
        for segment in landed:
            with suppress(FileNotFoundError):
                young = now - segment.path.stat().st_mtime < conf().JOURNAL_KEEP_S
                if young and held <= most and not crowded:
                    continue
                held -= segment.size
                self._remove(segment)
                gone.append(segment)
                crowded = crowded and directory.is_crowded(self._folder)
        return gone

    def _remove_abandoned(self) -> None:
        """Remove unfinished segments whose writers were killed while making them. They hold no record."""
        for path in self._folder.glob(f"{UNFINISHED}*"):
            with suppress(OSError):  # its writer has just finished it, or it belongs to another user
                if time.time() - path.stat().st_mtime > ABANDONED_S and lock_is_free(path):
                    path.unlink()

    def _remove(self, segment: SegmentReader) -> None:
        """Remove a segment, after adding its counts to the ledger."""
        ledger = read_ledger(self._folder)
        write_ledger(
            self._folder,
            ledger._replace(
                accepted=added(ledger.accepted, count_segment(segment)),
                refused=added(ledger.refused, segment.cells()[Cell.REFUSED : Cell.REPORTED]),
            ),
        )
        self._unreported = added(self._unreported, segment.refused())
        segment.path.unlink()
