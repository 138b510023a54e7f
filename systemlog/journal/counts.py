"""Counting accepted records by level. The counts are read from the segments, so that counting costs a writer nothing.

Each line is counted once. A segment's header holds the position up to which its lines are counted, and the counts.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from systemlog.journal import framing
from systemlog.journal.directory import segment_files
from systemlog.journal.segments import Cell, SegmentReader, UnreadableSegment
from systemlog.records.copy_text import level_of
from systemlog.records.levels import LEVEL_NAMES

COUNTS_LOCK = "counting.lock"
READ_BYTES = 2**21


def count_levels(lines: Iterable[bytes]) -> tuple[int, ...]:
    """Return, by level, how many of the lines there are."""
    counts = Counter(map(level_of, lines))
    return tuple(counts[level] for level in range(len(LEVEL_NAMES)))


def count_accepted(folder: Path) -> tuple[int, ...]:
    """Return, by level, how many records the segments of the folder hold."""
    counts = [0] * len(LEVEL_NAMES)
    for path in segment_files(folder):
        with suppress(OSError, UnreadableSegment):
            for level, count in enumerate(count_segment(SegmentReader(path))):
                counts[level] += count
    return tuple(counts)


def count_segment(segment: SegmentReader) -> tuple[int, ...]:
    """Return, by level, how many records the segment holds."""
    lock = os.open(segment.path.parent / COUNTS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cells = segment.cells()
        position, counts = cells[Cell.COUNTED], list(cells[Cell.ACCEPTED : Cell.REFUSED])
        while True:
            lines, damage = framing.read_lines(segment.read(position, READ_BYTES), ends=False)
            if not lines and damage is None:
                break
            position += sum(map(framing.framed_bytes, lines)) + (damage.length if damage else 0)
            counts = [one + other for one, other in zip(counts, count_levels(lines), strict=True)]
        if position > cells[Cell.COUNTED]:
            segment.write_cells(Cell.COUNTED, [position, *counts])
        return tuple(counts)
    finally:
        os.close(lock)
