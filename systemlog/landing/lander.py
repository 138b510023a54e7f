"""The lander: moves lines from the journal's segments into the database, in batches, each line exactly once.

One pass reads every segment once. The checkpoint that says how far a segment is landed moves in the transaction that
stores the rows, so that a crash at any point neither loses a line nor stores one twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from django.db import DatabaseError, InterfaceError

from systemlog.audit.draining import Outboxes
from systemlog.exceptions import SystemLogError
from systemlog.journal import directory, framing
from systemlog.journal.counts import count_levels
from systemlog.journal.reentrancy import storing_records
from systemlog.journal.segments import HEADER_BYTES, Cell, SegmentReader, UnreadableSegment, sync
from systemlog.journal.stderr import complain
from systemlog.landing.maintenance import Housekeeping
from systemlog.landing.rejects import NoRoom, Rejects
from systemlog.landing.stats import added, read_ledger, write_ledger
from systemlog.records.copy_text import decode
from systemlog.records.levels import LEVEL_NAMES
from systemlog.storage import Slice, Storage, get_storage

READ_BYTES = 2**21
"""Bytes read at once: more than the longest line."""

LINE_BYTES = 512
"""Estimated length of a line, so that hardly more of a segment is read than is landed at once."""

BATCH_LINES = 5000
RECHECK_S = 10.0
"""Interval at which the positions are read from the database again, because a restore may have set it back."""

NONE = (0,) * len(LEVEL_NAMES)


class DatabaseDown(SystemLogError):
    """The database takes no records at the moment. They wait in the journal."""


class Lander:
    """Lands the journal in `folder`. A server's thread and the commands each make one, after acquiring the lock."""

    def __init__(
        self, folder: Path, *, batch_lines: int = BATCH_LINES, storage: Callable[[], Storage] = get_storage
    ) -> None:
        self._folder = folder
        self._batch_lines = batch_lines
        self._storage = storage
        self._rejects = Rejects(folder)
        self._house = Housekeeping(folder, storage)
        self._outboxes = Outboxes(storage)
        self._segments: dict[Path, SegmentReader] = {}
        self._foreign: set[Path] = set()
        """Segments of another user, which this process cannot read."""
        self._positions: dict[uuid.UUID, int] = {}
        self._checked_at = float("-inf")
        self._synced: dict[Path, tuple[int, int]] = {}
        """Size and modification time of each segment when it was last flushed to disk."""
        self._landed = NONE
        self.storing_s = 0.0
        """Processor time that the driver, or SQLite, took in the last pass to store the rows."""

    def land_all(self, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Run passes until nothing waits, or `stopping` says so. Returns the sum of what `land_once` returns.

        Raises `DatabaseDown`.
        """
        total = 0
        while not stopping() and (done := self.land_once()):
            total += done
        return total

    def land_once(self) -> int:
        """Run one pass: land one batch of what waits. Returns how many lines are done with, 0 where nothing waits.

        A line is done with when it is stored or in quarantine. Raises `DatabaseDown`.
        """
        with storing_records():
            try:
                slices = self._find_slices()
                began, busy_s = time.monotonic(), time.thread_time()
                done = self._land(slices) if slices else 0
                self.storing_s = time.thread_time() - busy_s
                if done:
                    self._publish(slices, time.monotonic() - began)
                self._keep_house()
                done += self._outboxes.drain()
            except (DatabaseError, InterfaceError) as error:
                self._checked_at = float("-inf")
                with suppress(Exception):  # the connection may be too broken even to be closed
                    self._storage().connection.close()
                raise DatabaseDown(_first_line(error)) from error
            finally:
                self._rejects.log()
        return done

    def sync(self) -> None:
        """Flush the segments to disk."""
        synced = {}
        for path in directory.segment_files(self._folder):
            with suppress(OSError):
                status = path.stat()
                now = status.st_size, status.st_mtime_ns
                if self._synced.get(path) != now:  # most segments have not changed
                    sync(path)
                synced[path] = now
        self._synced = synced

    def _find_slices(self) -> list[Slice]:
        """Return what waits, up to a batch, the oldest segment first."""
        while True:
            try:
                self._list_segments()
                self._read_positions()
                return list(self._slices())
            except FileNotFoundError:
                # Another lander removed a segment after this one had listed it: list the segments again.
                if all(path.exists() for path in self._segments):
                    raise

    def _list_segments(self) -> None:
        """Open the segments that are new, and forget those that are gone."""
        paths = directory.segment_files(self._folder)
        for path in self._segments.keys() - set(paths):
            self._positions.pop(self._segments.pop(path).id, None)
        for path in paths:
            if path not in self._segments and path not in self._foreign:
                try:
                    self._segments[path] = SegmentReader(path)
                except UnreadableSegment as error:
                    self._rejects.add_segment(path, str(error))
                except FileNotFoundError:
                    continue
                except PermissionError:  # the segment belongs to another user; the probe reports it
                    self._foreign.add(path)
                except OSError as error:  # the next pass tries again
                    complain(f"A segment of the journal in {self._folder} cannot be read: {error.strerror}.")

    def _read_positions(self) -> None:
        """Ask the database how far each new segment is landed, and from time to time all segments."""
        now = time.monotonic()
        if now - self._checked_at >= RECHECK_S:
            self._positions.clear()
        unknown = [segment.id for segment in self._segments.values() if segment.id not in self._positions]
        if unknown:
            known = self._storage().checkpoints().positions(unknown)
            self._positions |= {segment: known.get(segment, HEADER_BYTES) for segment in unknown}
            for segment in self._segments.values():
                if segment.cells()[Cell.LANDED] != self._positions[segment.id]:
                    segment.set_landed(self._positions[segment.id])
            if now - self._checked_at >= RECHECK_S:
                self._checked_at = now

    def _slices(self) -> Iterator[Slice]:
        room = self._batch_lines
        for segment in self._segments.values():
            if room <= 0:
                return
            if self._rejects.is_waiting(segment.id):
                continue
            start = self._positions[segment.id]
            if segment.size > start and (slice_ := self._slice(segment, start, room)):
                room -= max(1, len(slice_.lines))
                yield slice_

    def _slice(self, segment: SegmentReader, start: int, room: int) -> Slice | None:
        """Return the next lines of a segment. Damage before the first line goes into quarantine, and is skipped."""
        finished = segment.is_finished  # asked before reading: then nothing can be appended after what is read
        for count in (min(room * LINE_BYTES, READ_BYTES), READ_BYTES):
            data = segment.read(start, count)
            lines, damage = framing.read_lines(data, ends=finished and len(data) < count)
            if lines or damage or len(data) < count:
                break
        if len(lines) > room:
            lines, damage = lines[:room], None
        end = start + sum(map(framing.framed_bytes, lines))
        if not lines and damage is None and len(data) == READ_BYTES:
            damage = framing.Damage(data, "is longer than any line", torn=False, length=len(data))
        if (
            damage is not None
            and not lines
            and (damage.torn or self._rejects.add_line(segment.id, end, damage.reason, damage.data))
        ):
            end += damage.length
        return Slice(segment.id, start, end, lines) if end > start else None

    def _land(self, slices: Sequence[Slice]) -> int:
        """Land the slices. Where the database refuses them, find the refused lines by halving, and land the others."""
        storage = self._storage()
        self._rejects.left_out = []
        try:
            positions = storage.land(slices, HEADER_BYTES, self._rejects.add_conflicts)
        except NoRoom:
            others = [slice_ for slice_ in slices if not self._rejects.is_waiting(slice_.segment)]
            return self._land(others) if others else 0
        except (DatabaseError, ValueError, LookupError) as error:
            if isinstance(error, DatabaseError) and not storage.refuses_rows(error):
                raise
            lines = sum(len(slice_.lines) for slice_ in slices)
            if lines == 0:
                raise
            if lines == 1:
                refused = next(slice_ for slice_ in slices if slice_.lines)
                if not isinstance(error, DatabaseError) and _is_record(refused.lines[0]):
                    raise  # the line is sound, so the error has another cause
                if self._rejects.add_line(refused.segment, refused.start, _first_line(error), refused.lines[0]):
                    return self._land([slice_._replace(lines=()) for slice_ in slices])
                others = [slice_ for slice_ in slices if slice_ is not refused]
                return self._land(others) if others else 0
            return sum(self._land(half) for half in _halves(slices, lines // 2))
        return self._take_positions(slices, positions)

    def _take_positions(self, slices: Sequence[Slice], positions: dict[uuid.UUID, int]) -> int:
        """Take over the positions after a batch, and count its lines. Returns how many lines are done with."""
        done = 0
        for slice_ in slices:
            position = positions.get(slice_.segment)
            if position is not None and position != self._positions[slice_.segment]:
                # The position may differ from the slice's end: another lander was faster, or the database was set back.
                self._positions[slice_.segment] = position
                done += max(1, len(slice_.lines))
                self._landed = added(self._landed, count_levels(slice_.lines) if position == slice_.end else NONE)
        left_out = count_levels(self._rejects.left_out)
        self._landed = tuple(landed - out for landed, out in zip(self._landed, left_out, strict=True))
        return done

    def _publish(self, slices: Sequence[Slice], seconds: float) -> None:
        """Write positions and counts into the folder, for code that reads only the folder."""
        done = {slice_.segment for slice_ in slices}
        for segment in self._segments.values():
            if segment.id in done:
                with suppress(OSError):
                    segment.set_landed(self._positions[segment.id])
        landed, self._landed = self._landed, NONE
        ledger = read_ledger(self._folder)
        write_ledger(
            self._folder,
            ledger._replace(landed=added(ledger.landed, landed), batch_records=float(sum(landed)), batch_s=seconds),
        )

    def _keep_house(self) -> None:
        # A segment that another lander removes meanwhile is forgotten by the next pass.
        with suppress(FileNotFoundError):
            for segment in self._house.keep(list(self._segments.values()), self._positions):
                del self._segments[segment.path]
                self._positions.pop(segment.id, None)


def _halves(slices: Sequence[Slice], first: int) -> Iterator[list[Slice]]:
    """Split the slices into those with the first `first` lines, and those with the rest."""
    front: list[Slice] = []
    back: list[Slice] = []
    for slice_ in slices:
        count = min(first, len(slice_.lines))
        first -= count
        if count == len(slice_.lines) and (count or not back):
            front.append(slice_)
        elif count == 0:
            back.append(slice_)
        else:
            middle = framing.ends_of(slice_.lines[:count], slice_.start)[-1]
            front.append(Slice(slice_.segment, slice_.start, middle, slice_.lines[:count]))
            back.append(Slice(slice_.segment, middle, slice_.end, slice_.lines[count:]))
    yield front
    yield back


def _is_record(line: bytes) -> bool:
    try:
        decode(line)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
