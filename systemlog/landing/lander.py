"""The lander: moves lines from the journal's segments into the database, in batches, each exactly once.

One pass looks at every segment once. How far a segment is landed says the database, in the transaction that stores the
rows: a crash at any point neither loses a line nor stores it twice.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from django.db import DatabaseError, InterfaceError

from systemlog.audit.draining import Outboxes
from systemlog.exceptions import SystemLogError
from systemlog.journal import directory, framing
from systemlog.journal.counts import count_levels
from systemlog.journal.reentrancy import storing_records
from systemlog.journal.segments import HEADER_BYTES, Cell, SegmentReader, UnreadableSegment, lock_is_free, sync
from systemlog.journal.stderr import complain
from systemlog.landing.maintenance import Housekeeping
from systemlog.landing.quarantine import CONFLICT, Quarantine
from systemlog.landing.stats import added, read_ledger, write_ledger
from systemlog.records.copy_text import CATEGORY, decode, level_of
from systemlog.records.levels import LEVEL_NAMES
from systemlog.storage import Slice, Storage, get_storage
from systemlog.storage.conflicts import Conflict

logger = logging.getLogger("systemlog.landing")

READ_BYTES = 2**21
"""More than the longest line."""

LINE_BYTES = 512
"""A guess, to read no more of a segment than is landed at once."""

BATCH_LINES = 5000
RECHECK_S = 10.0
"""So often the database is asked how far it has what this process takes for landed: it may have been set back."""

STUCK_S = 10.0
"""So long a segment waits whose next line can neither be stored nor set apart."""

NONE = (0,) * len(LEVEL_NAMES)


class NoRoom(SystemLogError):
    """Quarantine does not take a line just now."""


class DatabaseDown(SystemLogError):
    """The database takes no records just now; they wait in the journal."""


class Lander:
    """Lands what is in `folder`. Made by whoever may land: the thread of a server, or a command."""

    def __init__(
        self, folder: Path, *, batch_lines: int = BATCH_LINES, storage: Callable[[], Storage] = get_storage
    ) -> None:
        self._folder = folder
        self._batch_lines = batch_lines
        self._storage = storage
        self._quarantine = Quarantine(folder)
        self._segments: dict[Path, SegmentReader] = {}
        self._positions: dict[uuid.UUID, int] = {}
        self._checked_at = float("-inf")
        self._foreign: set[Path] = set()
        self._synced: dict[Path, tuple[int, int]] = {}
        """Size and time of each segment when the disk was last told to hold it."""
        self._landed = NONE
        self._house = Housekeeping(folder, storage)
        self._outboxes = Outboxes(storage)
        self.storing_s = 0.0
        """Processor time of the last pass in which the driver, or SQLite, stored what it was given."""
        self._stuck: dict[uuid.UUID, float] = {}
        """Segments that wait for room in quarantine, until when."""
        self._apart: list[dict[str, Any]] = []
        """Where the lines stood that went into quarantine in this pass."""
        self._conflicting: list[dict[str, Any]] = []
        """The same, of those whose keys other records have."""
        self._left_out: list[bytes] = []
        """These lines, of the batch that is being landed."""

    def land_all(self, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Pass after pass until nothing waits; gives what `land_once` gives. Raises `DatabaseDown`."""
        total = 0
        while not stopping() and (done := self.land_once()):
            total += done
        return total

    def land_once(self) -> int:
        """One pass: a batch of what waits; gives how many lines it went past, 0 where nothing waits.

        Raises `DatabaseDown`.
        """
        with storing_records():
            try:
                slices = self._find_slices()
                began, busy_s = time.monotonic(), time.thread_time()
                done = self._land(slices) if slices else 0
                self.storing_s = time.thread_time() - busy_s
                if done:
                    self._note(slices, time.monotonic() - began)
                self._keep_house()
                done += self._outboxes.drain()
            except (DatabaseError, InterfaceError) as error:
                self._checked_at = float("-inf")
                with suppress(Exception):  # closing what is broken
                    self._storage().connection.close()
                raise DatabaseDown(_first_line(error)) from error
            finally:
                self._tell_apart()
        return done

    def sync(self) -> None:
        """Have the disk hold what the segments hold."""
        synced = {}
        for path in directory.segment_files(self._folder):
            with suppress(OSError):
                status = path.stat()
                now = status.st_size, status.st_mtime_ns
                if self._synced.get(path) != now:  # of most segments nothing is new
                    sync(path)
                synced[path] = now
        self._synced = synced

    def _find_slices(self) -> list[Slice]:
        """What waits, oldest segment first, up to a batch."""
        while True:
            try:
                self._look()
                self._ask_positions()
                return list(self._slices())
            except FileNotFoundError:
                # Another lander removed a segment after this one had listed it: list the segments again.
                if all(path.exists() for path in self._segments):
                    raise

    def _look(self) -> None:
        """Open what is new, forget what is gone."""
        paths = directory.segment_files(self._folder)
        for path in self._segments.keys() - set(paths):
            self._positions.pop(self._segments.pop(path).id, None)
        for path in paths:
            if path not in self._segments and path not in self._foreign:
                try:
                    self._segments[path] = SegmentReader(path)
                except UnreadableSegment as error:
                    self._quarantine_segment(path, str(error))
                except FileNotFoundError:
                    continue
                except PermissionError:  # another user's; the probe tells of it
                    self._foreign.add(path)
                except OSError as error:  # the next pass tries again
                    complain(f"A segment of the journal in {self._folder} cannot be read: {error.strerror}.")

    def _ask_positions(self) -> None:
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
        """What waits, oldest segment first, up to a batch."""
        room = self._batch_lines
        now = time.monotonic()
        self._stuck = {segment: until for segment, until in self._stuck.items() if until > now}
        for segment in self._segments.values():
            if room <= 0:
                return
            if segment.id in self._stuck:
                continue
            start = self._positions[segment.id]
            if segment.size > start and (slice_ := self._slice(segment, start, room)):
                room -= max(1, len(slice_.lines))
                yield slice_

    def _slice(self, segment: SegmentReader, start: int, room: int) -> Slice | None:
        """The next lines of a segment; damage between them is set apart, and passed by."""
        finished = segment.is_finished  # before reading: what is read then is all that there will be
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
            and (damage.torn or self._set_line_apart(segment.id, end, damage.reason, damage.data))
        ):
            end += damage.length
        return Slice(segment.id, start, end, lines) if end > start else None

    def _land(self, slices: Sequence[Slice]) -> int:
        """Land the slices; of those the database refuses, find the line, and land the others."""
        storage = self._storage()
        self._left_out = []
        try:
            positions = storage.land(slices, HEADER_BYTES, self._set_conflicts_apart)
        except NoRoom:
            others = [slice_ for slice_ in slices if slice_.segment not in self._stuck]
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
                    raise  # not for what the line is
                if self._set_line_apart(refused.segment, refused.start, _first_line(error), refused.lines[0]):
                    return self._land([slice_._replace(lines=()) for slice_ in slices])
                others = [slice_ for slice_ in slices if slice_ is not refused]
                return self._land(others) if others else 0
            return sum(self._land(half) for half in _halves(slices, lines // 2))
        done = 0
        for slice_ in slices:
            position = positions.get(slice_.segment)
            if position is not None and position != self._positions[slice_.segment]:
                # Perhaps another than the slice's end: another lander came further, or the database was set back.
                self._positions[slice_.segment] = position
                done += max(1, len(slice_.lines))
                self._landed = added(self._landed, count_levels(slice_.lines) if position == slice_.end else NONE)
        left_out = count_levels(self._left_out)
        self._landed = tuple(landed - out for landed, out in zip(self._landed, left_out, strict=True))
        return done

    def _note(self, slices: Sequence[Slice], seconds: float) -> None:
        """Tell readers of the directory what was done."""
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
        # A segment that another lander removed meanwhile is forgotten in the next pass.
        with suppress(FileNotFoundError):
            self._keep()

    def _keep(self) -> None:
        for segment in self._house.keep(list(self._segments.values()), self._positions):
            del self._segments[segment.path]
            self._positions.pop(segment.id, None)

    def _set_line_apart(self, segment: uuid.UUID, position: int, reason: str, data: bytes) -> bool:
        """Put a line into quarantine; False if there is no room, and it and its segment wait."""
        # What is said here of a refusal may be refused in turn: of that nothing is said.
        said = data.split(b"\t", CATEGORY + 1)[CATEGORY : CATEGORY + 1] == [logger.name.encode()]
        return self._set_apart_from(segment, reason, [(position, data)], [] if said else self._apart)

    def _set_conflicts_apart(self, conflicts: Sequence[Conflict]) -> None:
        """Put lines into quarantine whose keys other records have. Raises `NoRoom`, and their segments wait.

        This is done before the other lines are committed: a crash in between has them set apart, which is found then.
        """
        waits = False
        for slice_, group in groupby(conflicts, key=lambda conflict: conflict.slice):
            starts = [slice_.start, *framing.ends_of(slice_.lines, slice_.start)]
            lines = [(starts[number], slice_.lines[number]) for _, number in group]
            self._left_out += [line for _, line in lines]
            waits |= not self._set_apart_from(slice_.segment, CONFLICT, lines, self._conflicting)
        if waits:
            raise NoRoom

    def _set_apart_from(
        self, segment: uuid.UUID, reason: str, lines: Sequence[tuple[int, bytes]], told: list[dict[str, Any]]
    ) -> bool:
        """Put lines of a segment into quarantine, and count them; False if there is no room, and the segment waits."""
        try:
            new = set(self._quarantine.add_many(segment, reason, lines))
        except OSError as error:
            self._stuck[segment] = time.monotonic() + STUCK_S
            complain(f"A record that cannot be stored waits, and others behind it: no quarantine. {error.strerror}.")
            return False
        if new:
            ledger = read_ledger(self._folder)
            counts = list(ledger.quarantined)
            for position, data in lines:
                if position in new:
                    level = level_of(data)
                    counts[-1 if level is None else level] += 1
                    told.append({"segment": str(segment), "position": position})
            write_ledger(self._folder, ledger._replace(quarantined=tuple(counts)))
        return True

    def _tell_apart(self) -> None:
        """One record of all lines that went into quarantine in this pass."""
        apart, self._apart = self._apart, []
        conflicting, self._conflicting = self._conflicting, []
        if apart:
            logger.error(
                "Records could not be stored, and are in quarantine: see `manage.py system_log_quarantine`.",
                extra={"action": "landing.quarantined", "records": len(apart), **apart[0]},
            )

        if conflicting:
            logger.warning(
                "Records were not stored, because others have their ids and timestamps: they are in quarantine, see "
                "`manage.py system_log_quarantine`.",
                extra={"action": "landing.conflict", "records": len(conflicting), **conflicting[0]},
            )

    def _quarantine_segment(self, path: Path, reason: str) -> None:
        """A whole segment that cannot be read; one that is written to just now is left to its writer's software."""
        with suppress(FileNotFoundError):
            if not lock_is_free(path):
                return
            self._quarantine.add_segment(path)
            logger.error(
                "A segment of the journal cannot be read, and is in quarantine: see `manage.py system_log_quarantine`.",
                extra={"action": "landing.quarantined", "segment": path.name, "reason": reason},
            )


def _halves(slices: Sequence[Slice], first: int) -> Iterator[list[Slice]]:
    """The slices with the first so many lines, and those with the rest."""
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
