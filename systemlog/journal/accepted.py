"""Counting what was accepted, by level: from the segments themselves, so that it costs no writer anything.

Each line is counted once; how far, and how many so far, stands in the segment's header.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from systemlog.conf import LEVEL_NAMES
from systemlog.journal import frames
from systemlog.journal.directory import segment_files
from systemlog.journal.segments import Cell, ForeignSegment, SegmentReader
from systemlog.storage.lines import LEVEL_OFFSET

LOCK = "counting.lock"
READ_BYTES = 2**21
INITIALS = {ord(name[0]): index for index, name in enumerate(LEVEL_NAMES)}
"""The index of a level by its first letter."""


def count_accepted(folder: Path) -> tuple[int, ...]:
    """Per level, how many records the segments that are there hold."""
    counts = [0] * len(LEVEL_NAMES)
    for path in segment_files(folder):
        with suppress(OSError, ForeignSegment):
            for level, count in enumerate(count_segment(SegmentReader(path))):
                counts[level] += count
    return tuple(counts)


def count_segment(segment: SegmentReader) -> tuple[int, ...]:
    """Per level, how many records the segment holds."""
    lock = os.open(segment.path.parent / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cells = segment.cells()
        position, counts = cells[Cell.COUNTED], list(cells[Cell.ACCEPTED : Cell.REFUSED])
        while True:
            lines, damage = frames.read_lines(segment.read(position, READ_BYTES), ends=False)
            if not lines and damage is None:
                break
            position += sum(map(frames.framed_bytes, lines)) + (damage.length if damage else 0)
            for line in lines:
                counts[INITIALS[line[LEVEL_OFFSET]]] += 1
        if position > cells[Cell.COUNTED]:
            segment.write_cells(Cell.COUNTED, [position, *counts])
        return tuple(counts)
    finally:
        os.close(lock)
