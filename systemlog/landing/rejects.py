"""Lines and segments that cannot be landed: they are put into quarantine, counted in the ledger, and logged."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from systemlog.exceptions import SystemLogError
from systemlog.journal import framing
from systemlog.journal.segments import lock_is_free
from systemlog.journal.stderr import complain
from systemlog.landing.quarantine import CONFLICT, Quarantine
from systemlog.landing.stats import read_ledger, write_ledger
from systemlog.records.copy_text import CATEGORY, level_of
from systemlog.storage.conflicts import Conflict

logger = logging.getLogger("systemlog.landing")

RETRY_S = 10.0
"""Pause before a segment is tried again whose next line can neither be stored nor put into quarantine."""


class NoRoom(SystemLogError):
    """There is no room in quarantine at the moment."""


class Rejects:
    """The rejected lines of one lander. A segment for whose line quarantine has no room waits, and the others land."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._quarantine = Quarantine(folder)
        self._retry_at: dict[uuid.UUID, float] = {}
        """The segments that wait for room in quarantine, and when each is tried again."""
        self._refused: list[dict[str, Any]] = []
        """Positions of the lines that went into quarantine since the last `log`."""
        self._conflicting: list[dict[str, Any]] = []
        """The same for lines whose keys other records have."""
        self.left_out: list[bytes] = []
        """Lines that were left out of the batch that is being landed, because of conflicts."""

    def is_waiting(self, segment: uuid.UUID) -> bool:
        """Whether the segment waits for room in quarantine."""
        if self._retry_at.get(segment, 0.0) > time.monotonic():
            return True
        self._retry_at.pop(segment, None)
        return False

    def add_line(self, segment: uuid.UUID, position: int, reason: str, data: bytes) -> bool:
        """Put a line into quarantine. False if there is no room; then its segment waits."""
        # The record below about a rejected line may be rejected in turn. That one is not logged again.
        is_own = data.split(b"\t", CATEGORY + 1)[CATEGORY : CATEGORY + 1] == [logger.name.encode()]
        return self._add(segment, reason, [(position, data)], [] if is_own else self._refused)

    def add_conflicts(self, conflicts: Sequence[Conflict]) -> None:
        """Put lines whose keys other records have into quarantine. Raises `NoRoom`; then their segments wait.

        This happens before the other lines of the batch are committed. After a crash in between, the lines are found in
        quarantine when the batch is landed again.
        """
        waits = False
        for slice_, group in groupby(conflicts, key=lambda conflict: conflict.slice):
            starts = [slice_.start, *framing.ends_of(slice_.lines, slice_.start)]
            lines = [(starts[number], slice_.lines[number]) for _, number in group]
            self.left_out += [line for _, line in lines]
            waits |= not self._add(slice_.segment, CONFLICT, lines, self._conflicting)
        if waits:
            raise NoRoom

    def add_segment(self, path: Path, reason: str) -> None:
        """Move a segment that cannot be read into quarantine, unless a process is writing to it.

        A segment that is being written to belongs to another version of this software.
        """
        with suppress(FileNotFoundError):
            if not lock_is_free(path):
                return
            self._quarantine.add_segment(path)
            logger.error(
                "A segment of the journal cannot be read, and is in quarantine: see `manage.py system_log_quarantine`.",
                extra={"action": "landing.quarantined", "segment": path.name, "reason": reason},
            )

    def log(self) -> None:
        """Log one record about all refused lines since the last call, and one about all conflicting lines."""
        refused, self._refused = self._refused, []
        conflicting, self._conflicting = self._conflicting, []
        if refused:
            logger.error(
                "Records could not be stored, and are in quarantine: see `manage.py system_log_quarantine`.",
                extra={"action": "landing.quarantined", "records": len(refused), **refused[0]},
            )
        if conflicting:
            logger.warning(
                "Records were not stored, because others have their ids and timestamps: they are in quarantine, see "
                "`manage.py system_log_quarantine`.",
                extra={"action": "landing.conflict", "records": len(conflicting), **conflicting[0]},
            )

    def _add(
        self, segment: uuid.UUID, reason: str, lines: Sequence[tuple[int, bytes]], positions: list[dict[str, Any]]
    ) -> bool:
        """Put lines of a segment into quarantine, count them, and append their `positions`."""
        try:
            new = set(self._quarantine.add_many(segment, reason, lines))
        except OSError as error:
            self._retry_at[segment] = time.monotonic() + RETRY_S
            complain(f"A record that cannot be stored waits, and others behind it: no quarantine. {error.strerror}.")
            return False
        if new:
            ledger = read_ledger(self._folder)
            counts = list(ledger.quarantined)
            for position, data in lines:
                if position in new:
                    level = level_of(data)
                    counts[-1 if level is None else level] += 1
                    positions.append({"segment": str(segment), "position": position})
            write_ledger(self._folder, ledger._replace(quarantined=tuple(counts)))
        return True
