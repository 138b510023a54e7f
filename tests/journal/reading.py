"""What a test reads of a journal: through the lander's own reader."""

from __future__ import annotations

from pathlib import Path

from systemlog.journal import directory, framing
from systemlog.journal.segments import HEADER_BYTES, SegmentReader
from systemlog.records.copy_text import decode
from systemlog.storage import Row


def rows_in(folder: Path) -> list[Row]:
    """All whole records of a folder, by segment and place, damage read over."""
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
    """Their messages."""
    return [row.message for row in rows_in(folder)]
