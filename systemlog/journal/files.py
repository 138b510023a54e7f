"""The journal on disk: appends lines to this process's segment, as long as there is room for their level.

Appending is one `write(2)` without a lock: the kernel lets appends follow one another. From there on a record survives
the death of the process. The segment is opened late, so that each process of a forking server has its own.
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
"""How full the journal is when a level is refused, from DEBUG to CRITICAL: what is grave finds room longest."""

CLOSES_TO_WRITERS_AT = (0.70, 0.80, 0.90, 0.90, 0.90)
"""The same for records that others send: the last tenth is the process's own, for its ERROR and CRITICAL."""

MAX_WRITERS = 32
"""So many writers each have segments of their own in a process; those beyond them share one's."""

WRITER_IDLE_S = 60.0
"""A writer that was silent for so long may have to give way to another."""

OTHERS = ""
"""The name, in segments, of the writers that have none of their own."""

CHECK_S = 1.0
"""So often is it looked at how full the directory is; oftener where much is written."""

WRITE_BYTES = 256 * 1024
"""So much is written at once of lines that come together: a write for each takes as long as making the line."""

RETRY_S = 0.1
"""So long nothing is tried after the disk refused."""


class FilesJournal:
    """This process's end of the journal of the settings in force: for its own records, or for those of one writer.

    Each writer has segments of its own. So the directory alone tells what of each writer waits, whichever processes
    took it, and none can take more than its share.
    """

    def __init__(self, writer: str | None = None) -> None:
        self._folder = Path()
        self._target = ""
        self._max_bytes = conf().JOURNAL_MAX_BYTES
        self._writer = writer
        self._share_bytes = int(self._max_bytes * (1.0 if writer is None else conf().JOURNAL_WRITER_SHARE))
        closes_at = CLOSES_AT if writer is None else CLOSES_TO_WRITERS_AT
        self._limits = [int(self._max_bytes * part) for part in closes_at]
        # There is one that is not full for each writer in each process.
        self._segment_bytes = directory.segment_bytes() // (1 if writer is None else 4)
        self._segment: Segment | None = None
        self._lock = threading.RLock()
        self._admits = 0
        """The lowest level that is taken."""
        self._has_share = True
        self._allowance = 0
        """Bytes that may be written before the next look at the directory."""
        self._checked = float("-inf")
        self._retry_at = float("-inf")
        self._refused = [0] * len(LEVEL_NAMES)
        """Refused since the present segment began, or while there is none."""
        self._writers: dict[str, FilesJournal] = {}
        """Those of other writers, by name; the one that wrote last is the last."""

    def append(self, line: bytes) -> bool:
        """Take one line; False if it was refused."""
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
        # The disk is full. What stands there of this line is damage, and read over: each begins a line of the file.
        self._fail(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        segment.torn = count
        return self._refuse(line)

    def append_many(self, lines: Sequence[bytes], writer: str | None = None) -> int:
        """Take lines, in order; gives how many: the first that is refused ends it.

        They are the process's own, or of the `writer` who sent them.
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
        """Take as many lines from `start` on as one write is good for; gives how many, 0 where each is to be tried."""
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
            return 0  # the line that is tried next meets it too
        segment.size += count
        self._allowance -= count
        if count == len(data):
            return len(frames)
        # The disk is full. Behind the last frame that is whole stands a part of one, which is read over.
        self._fail(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        whole = bisect_right(list(accumulate(map(len, frames))), count)
        segment.torn = count - sum(map(len, frames[:whole]))
        return whole

    def close(self) -> None:
        """Have the disk hold what was written, and let go of the segments."""
        with self._lock:
            segment, self._segment = self._segment, None
            writers, self._writers = self._writers, {}
        if segment is not None:
            os.fdatasync(segment.descriptor)
        for journal in writers.values():
            journal.close()

    def _journal_of(self, writer: str) -> FilesJournal:
        """The journal for a writer's records; beyond `MAX_WRITERS` that of all others."""
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
                    self._tell_refused(segment)
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
        """Let go of a segment that can take no more, if it is landed: then its room is free for another."""
        with self._lock, suppress(OSError):
            if self._segment is segment and segment.is_landed:
                self._segment, self._refused = None, [0] * len(LEVEL_NAMES)

    def _look(self, now: float) -> None:
        # Another thread looks; only the first time of all is what it finds waited for.
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
        if target != self._target:  # at first, and where tests put their database in the place of the project's
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
        # Other processes write too: each takes a part of what is left, and looks again.
        self._allowance = max(4096, left // 4)

    def _rescue(self, unlinked: Segment) -> None:
        """Somebody removed the segment's file; it can be read as long as it is open."""
        self._segment = None
        segment = self._open()
        if segment is None:
            self._segment = unlinked
            return
        # By one write, or another thread's frame would stand in the middle of one.
        segment.size += os.write(
            segment.descriptor, os.pread(unlinked.descriptor, os.fstat(unlinked.descriptor).st_size, HEADER_BYTES)
        )
        complain(f"A segment of the journal was removed from {self._folder} while it was written to; it was restored.")

    def _is_admitted(self, line: bytes) -> bool:
        """Whether the journal has room for records of the line's level."""
        return (level_of(line) or 0) >= self._admits

    def _refuse(self, line: bytes) -> bool:
        """Count one line as refused; gives False, as its `append` does."""
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

    def _tell_refused(self, segment: Segment) -> None:
        """What was refused before there was a segment is told in it."""
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
