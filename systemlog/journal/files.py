"""The journal on disk: a sink that appends lines to this process's segment while there is room for their level.

An append is one `write(2)` without a lock, because the kernel puts appends one after the other. From then on the record
survives the death of the process. The segment is opened with the first record, so that each process of a forking server
has its own.
"""

from __future__ import annotations

import errno
import os
import threading
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate, islice
from os import write
from pathlib import Path
from time import monotonic, time

from systemlog.conf import conf
from systemlog.journal import directory
from systemlog.journal.framing import frame, framed_bytes
from systemlog.journal.segments import HEADER_BYTES, Segment
from systemlog.journal.stderr import complain
from systemlog.records.copy_text import level_of
from systemlog.records.levels import LEVEL_NAMES

CLOSES_AT = (0.70, 0.80, 0.90, 0.97, 1.0)
"""The fill at which each level, from DEBUG to CRITICAL, is refused: the most severe records find room longest."""

CLOSES_TO_WRITERS_AT = (0.70, 0.80, 0.90, 0.90, 0.90)
"""The same for records of other writers. The last tenth is kept for the process's own ERROR and CRITICAL."""

MAX_WRITERS = 32
"""Up to this many writers have segments of their own in a process. All further writers share one."""

WRITER_IDLE_S = 60.0
"""A writer that has sent nothing for this long may lose its segment to another writer."""

OTHERS = ""
"""The name that segments give to all writers without a segment of their own."""

CHECK_S = 1.0
"""Interval at which the fill of the directory is read. It is read more often where much is written."""

WRITE_BYTES = 256 * 1024
"""Bytes of lines that are joined into one write; a write for each line takes as long as making the line."""

RETRY_S = 0.1
"""Pause after a write to the disk has failed."""


class FilesJournal:
    """Appends to the journal of the settings in force: this process's own records, or those of one writer.

    Each writer has segments of its own. So the directory alone shows how much of each writer waits, whichever processes
    took it, and no writer can take more than its share.
    """

    def __init__(self, writer: str | None = None) -> None:
        self._folder = Path()
        self._target = ""
        self._max_bytes = conf().JOURNAL_MAX_BYTES
        self._writer = writer
        self._share_bytes = int(self._max_bytes * (1.0 if writer is None else conf().JOURNAL_WRITER_SHARE))
        closes_at = CLOSES_AT if writer is None else CLOSES_TO_WRITERS_AT
        self._limits = [int(self._max_bytes * part) for part in closes_at]
        # Each writer may have one unfinished segment in each process, so theirs are smaller.
        self._segment_bytes = directory.segment_bytes() // (1 if writer is None else 4)
        self._segment: Segment | None = None
        self._lock = threading.RLock()
        self._admits = 0
        """The lowest level that is accepted, as its place in `LEVEL_NAMES`."""
        self._has_share = True
        self._allowance = 0
        """Bytes that may be written before the fill of the directory is read again."""
        self._checked = float("-inf")
        self._retry_at = float("-inf")
        self._refused = [0] * len(LEVEL_NAMES)
        """By level, records refused since the present segment began, or while there is none."""
        self._writers: dict[str, FilesJournal] = {}
        """The journals of other writers, by name; the one that wrote last comes last."""

    def append(self, line: bytes) -> bool:
        """Append one line; False if it was refused."""
        now = time()
        if self._allowance <= 0 or not 0 <= now - self._checked < CHECK_S:
            self._look(now)
        segment = self._segment or self._open()
        if segment is None or (self._admits and not self._is_admitted(line)):
            return self._refuse(line)
        data = frame(line, int(now))
        try:
            count = write(segment.descriptor, data)
        except OSError as error:
            self._fail(error)
            self._make_way(segment)
            return self._refuse(line)
        segment.size += count
        self._allowance -= count
        if segment.size >= self._segment_bytes:
            self._replace(segment)
        if count == len(data):
            return True
        # The disk is full. The part of this frame in the file counts as damage, which readers skip: each frame begins a
        # line of the file.
        self._fail(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        segment.torn = count
        return self._refuse(line)

    def append_many(self, lines: Sequence[bytes], writer: str | None = None) -> int:
        """Append lines, in order, and return how many were taken. Stops at the first line that is refused.

        The lines are the process's own, or those of the `writer` that sent them.
        """
        journal = self if writer is None else self._journal_of(writer)
        return journal._append_all(lines)

    def _append_all(self, lines: Sequence[bytes]) -> int:
        taken = 0
        while taken < len(lines):
            written = self._append_some(lines, taken)
            taken += written
            if not written and not self.append(lines[taken]):
                return taken
            taken += not written
        return taken

    def _append_some(self, lines: Sequence[bytes], start: int) -> int:
        """Append as many lines from `start` on as fit into one write, and return how many; 0 where each is to be tried
        alone."""
        now = time()
        if self._allowance <= 0 or not 0 <= now - self._checked < CHECK_S:
            self._look(now)
        segment = self._segment or self._open()
        if segment is None:
            return 0
        frames: list[bytes] = []
        room = min(WRITE_BYTES, self._allowance, self._segment_bytes - segment.size)
        for line in islice(lines, start, None):
            room -= framed_bytes(line)
            if room < 0 or (self._admits and not self._is_admitted(line)):
                break
            frames.append(frame(line, int(now)))
        if not frames:
            return 0
        data = b"".join(frames)
        try:
            count = write(segment.descriptor, data)
        except OSError:
            return 0  # appending the next line alone meets the same error, and handles it
        segment.size += count
        self._allowance -= count
        if count == len(data):
            return len(frames)
        # The disk is full. Readers skip the incomplete frame behind the last whole one.
        self._fail(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        whole = bisect_right(list(accumulate(map(len, frames))), count)
        segment.torn = count - sum(map(len, frames[:whole]))
        return whole

    def close(self) -> None:
        """Flush what was written to disk, and close the segments."""
        with self._lock:
            segment, self._segment = self._segment, None
            writers, self._writers = self._writers, {}
        if segment is not None:
            os.fdatasync(segment.descriptor)
        for journal in writers.values():
            journal.close()

    def _journal_of(self, writer: str) -> FilesJournal:
        """Return the journal for a writer's records; beyond `MAX_WRITERS`, the one that all further writers share."""
        left: FilesJournal | None = None
        with self._lock:
            journal = self._writers.pop(writer, None)
            if journal is None and len(self._writers) >= MAX_WRITERS:
                silent = next(name for name in self._writers if name != OTHERS)
                if time() - self._writers[silent]._checked > WRITER_IDLE_S:
                    left = self._writers.pop(silent)
                else:
                    writer = OTHERS
                    journal = self._writers.pop(OTHERS, None)
            if journal is None:
                journal = FilesJournal(writer)
            self._writers[writer] = journal
        if left is not None:
            left.close()
        return journal

    def _open(self) -> Segment | None:
        if monotonic() < self._retry_at or not self._target:
            return None
        with self._lock:
            if self._segment is None:
                try:
                    directory.make_folder(self._folder)
                    segment = Segment(self._folder, self._target, self._writer)
                    self._count_refused_before(segment)
                except OSError as error:
                    self._fail(error)
                    return None
                self._segment = segment
            return self._segment

    def _replace(self, full: Segment) -> None:
        """Go on in a new segment. Where none can be made, the full one grows, and a line on stderr says so."""
        if monotonic() < self._retry_at:
            return
        with self._lock:
            if self._segment is not full:
                return  # another thread has replaced it
            try:
                self._segment = Segment(self._folder, self._target, self._writer)
            except OSError as error:
                self._retry_at = monotonic() + RETRY_S
                complain(
                    f"No new segment can be made in {self._folder}, so the full one grows: {error.strerror or error}."
                )
                return
            self._refused = [0] * len(LEVEL_NAMES)
        os.fdatasync(full.descriptor)

    def _make_way(self, segment: Segment) -> None:
        """Close a segment that can take no more, if it is landed, so that the lander can free its room."""
        with self._lock, suppress(OSError):
            if self._segment is segment and segment.is_landed:
                self._segment, self._refused = None, [0] * len(LEVEL_NAMES)

    def _look(self, now: float) -> None:
        # Another thread is reading the directory. Only before the very first record is the result waited for.
        if not self._lock.acquire(blocking=not self._target):
            return
        try:
            self._checked = now
            self._check()
        except OSError as error:
            complain(f"The journal's directory cannot be read. {error}")
        finally:
            self._lock.release()

    def _check(self) -> None:
        target = directory.target()
        if target != self._target:  # at first, and when tests have replaced the project's database by their own
            self._folder, self._target, self._segment = directory.journal_directory() / target, target, None
        if self._segment is not None and self._segment.is_unlinked:
            self._rescue(self._segment)
        waiting = directory.waiting_bytes(self._folder)
        total = sum(waiting.values())
        self._admits = sum(total >= limit for limit in self._limits)
        left = next((limit - total for limit in self._limits if limit > total), 0)
        if self._writer is not None:
            left_of_share = self._share_bytes - waiting.get(self._writer, 0)
            left = min(left, max(0, left_of_share))
            self._has_share = left_of_share > 0
            if not self._has_share:
                self._admits = len(LEVEL_NAMES)
        # Other processes write too, so each takes only a part of what is left before it reads the fill again.
        self._allowance = max(4096, left // 4)

    def _rescue(self, unlinked: Segment) -> None:
        """Copy a segment whose file was removed, and which can be read while it is open, into a new segment."""
        self._segment = None
        segment = self._open()
        if segment is None:
            self._segment = unlinked
            return
        # One write, so that no other thread's frame gets between.
        segment.size += os.write(
            segment.descriptor, os.pread(unlinked.descriptor, os.fstat(unlinked.descriptor).st_size, HEADER_BYTES)
        )
        complain(f"A segment of the journal was removed from {self._folder} while it was written to; it was restored.")

    def _is_admitted(self, line: bytes) -> bool:
        """Whether the journal has room for records of the line's level."""
        return (level_of(line) or 0) >= self._admits

    def _refuse(self, line: bytes) -> bool:
        """Count one line as refused, and return False, as `append` then does."""
        level = level_of(line) or 0
        with self._lock:
            self._refused[level] += 1
            segment = self._segment
            try:
                if segment is not None:
                    segment.count_refused(level, self._refused[level])
            except OSError as error:
                complain(f"What the journal refuses cannot be counted on disk: {error.strerror}.")
        if not self._has_share:
            complain(f"A writer has filled its share of the journal in {self._folder}: {self._writer!r} is refused.")
        elif self._admits > level:
            complain(f"The journal in {self._folder} is full: records of {LEVEL_NAMES[level]} are refused.")
        return False

    def _count_refused_before(self, segment: Segment) -> None:
        """Write into a new segment's header what was refused while there was no segment."""
        for level, count in enumerate(self._refused):
            if count:
                segment.count_refused(level, count)

    def _fail(self, error: OSError) -> None:
        self._retry_at = monotonic() + RETRY_S
        if isinstance(error, directory.JournalUnusable):
            complain(str(error))
        elif error.errno in (errno.ENOSPC, errno.EDQUOT):
            complain(f"There is no room on the disk of the journal in {self._folder}: records are refused.")
        else:
            complain(f"The journal in {self._folder} cannot be written to: {error.strerror or error}.")
