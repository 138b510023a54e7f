"""Quarantine: what could not be landed, with its reason, until somebody looks.

One NDJSON file a segment holds its lines; a whole segment that cannot be read is moved there as it is.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from systemlog.journal.directory import QUARANTINE
from systemlog.journal.segments import SUFFIX


class QuarantinedLine(NamedTuple):
    """One line: where it was, why it is here, and its bytes (as Latin-1 text: each byte is one character)."""

    segment: str
    position: int
    reason: str
    line: str

    @property
    def data(self) -> bytes:
        """The line as it stood in the segment."""
        return self.line.encode("latin-1")


class Quarantine:
    """The quarantine of one target's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / QUARANTINE

    def add(self, segment: uuid.UUID, position: int, reason: str, data: bytes) -> bool:
        """Put a line in, and have the disk hold it. False if it is there already, from before a crash, say."""
        file = self._file(str(segment))
        if any(line.position == position for line in _read(file)):
            return False
        self._folder.mkdir(mode=0o700, exist_ok=True)
        entry = QuarantinedLine(str(segment), position, reason, data.decode("latin-1"))
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, json.dumps(entry._asdict()).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True

    def add_segment(self, path: Path) -> None:
        """Move a whole segment in."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            path.rename(self._folder / path.name)

    def lines(self) -> Iterator[QuarantinedLine]:
        """All lines, by segment and position."""
        for file in sorted(self._folder.glob("*.ndjson")):
            yield from sorted(_read(file), key=lambda line: line.position)

    def segments(self) -> list[Path]:
        """The whole segments."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def release(self, path: Path) -> None:
        """Give a whole segment back to the journal."""
        path.rename(self._folder.parent / path.name)

    def remove(self, line: QuarantinedLine) -> None:
        """Take a line out."""
        file = self._file(line.segment)
        kept = [other for other in _read(file) if other.position != line.position]
        new = file.with_suffix(".new")
        new.write_text("".join(json.dumps(other._asdict()) + "\n" for other in kept))
        if kept:
            new.replace(file)
        else:
            new.unlink()
            file.unlink()

    def _file(self, segment: str) -> Path:
        return self._folder / f"{segment}.ndjson"


def _read(file: Path) -> list[QuarantinedLine]:
    found = []
    with suppress(FileNotFoundError):
        for text in file.read_text().splitlines():
            with suppress(ValueError, TypeError):  # one that was cut short by a crash will be added anew
                entry: dict[str, Any] = json.loads(text)
                found.append(QuarantinedLine(**entry))
    return found
