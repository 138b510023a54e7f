"""Reading a journal in tests, with the lander's own reader."""

from __future__ import annotations

from pathlib import Path

from systemlog.journal import directory, framing
from systemlog.journal.segments import HEADER_BYTES, SegmentReader
from systemlog.records.copy_text import decode
from systemlog.storage import Row


def rows_in(folder: Path) -> list[Row]:
    """Return all whole records of a folder, by segment and position; damage is skipped."""
    rows = []
    for path in directory.segment_files(folder):
        segment = SegmentReader(path)
        data = segment.read(HEADER_BYTES, segment.size)
        while data:
            lines, damage = framing.read_lines(data, ends=True)
            rows += map(decode, lines)
            data = data[sum(map(framing.framed_bytes, lines)) + (damage.length if damage else 0) :]
            if damage is None:
                break
    return rows


def messages_in(folder: Path) -> list[str]:
    """Return the messages of these records."""
    return [row.message for row in rows_in(folder)]
