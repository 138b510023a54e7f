"""Quarantine: what could not be landed, with its reason, until somebody looks.

One NDJSON file a segment holds its lines; a whole segment that cannot be read is moved there as it is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from systemlog.journal.directory import QUARANTINE
from systemlog.journal.segments import SUFFIX

LOCK = ".lock"


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
        self._seen: tuple[Path, tuple[int, int], set[int]] | None = None
        """Of the file that was added to last: its inode and size, and the positions in it."""

    def add(self, segment: uuid.UUID, position: int, reason: str, data: bytes) -> bool:
        """Put a line in, and have the disk hold it. False if it is there already, from before a crash, say."""
        file = self._file(str(segment))
        entry = QuarantinedLine(str(segment), position, reason, data.decode("latin-1"))
        text = json.dumps(entry._asdict()).encode() + b"\n"
        with self._locked():
            positions = self._positions(file)
            if position in positions:
                return False
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                if os.write(descriptor, text) < len(text):
                    os.ftruncate(descriptor, size)
                    raise OSError(errno.ENOSPC, "There is no room for what goes into quarantine")
                os.fsync(descriptor)
                positions.add(position)
                self._seen = file, _identity(os.fstat(descriptor)), positions
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

    def remove(self, segment: str, positions: Collection[int]) -> None:
        """Take lines of a segment out."""
        file = self._file(segment)
        with self._locked():
            kept = [line for line in _read(file) if line.position not in positions]
            if not kept:
                file.unlink(missing_ok=True)
                return
            new = file.with_suffix(".new")
            with new.open("w") as out:
                out.writelines(json.dumps(line._asdict()) + "\n" for line in kept)
                out.flush()
                os.fsync(out.fileno())
            new.replace(file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time: a lander puts in while an operator takes out."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _positions(self, file: Path) -> set[int]:
        """The positions in a file, which is not read again for each line that comes."""
        with suppress(FileNotFoundError):
            if self._seen is not None and self._seen[:2] == (file, _identity(file.stat())):
                return self._seen[2]
        return {line.position for line in _read(file)}

    def _file(self, segment: str) -> Path:
        return self._folder / f"{segment}.ndjson"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_size


def _read(file: Path) -> list[QuarantinedLine]:
    found = []
    with suppress(FileNotFoundError):
        for text in file.read_text().splitlines():
            with suppress(ValueError, TypeError):  # one that was cut short by a crash will be added anew
                entry: dict[str, Any] = json.loads(text)
                found.append(QuarantinedLine(**entry))
    return found
