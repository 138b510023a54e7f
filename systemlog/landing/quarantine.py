"""Quarantine: records that could not be landed, with the reasons, until an operator stores or discards them.

The lines of one segment are in one NDJSON file. A whole segment that cannot be read is moved here as it is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from systemlog.journal.directory import QUARANTINE
from systemlog.journal.segments import SUFFIX

logger = logging.getLogger("systemlog.landing")

QUARANTINE_LOCK = ".lock"
LOGGED_REASONS = 10
CONFLICT = "another record of this id and timestamp is stored, with other values or by another writer"
WHOLE = "a whole segment that could not be read"


class QuarantinedLine(NamedTuple):
    """One line: its position, the reason why it is here, and its bytes as Latin-1 text, one character for each byte."""

    segment: str
    position: int
    reason: str
    line: str

    @property
    def name(self) -> str:
        """The name of the line for `--discard`."""
        return f"{self.segment}:{self.position}"

    @property
    def data(self) -> bytes:
        """The line as it was in the segment."""
        return self.line.encode("latin-1")


class Quarantine:
    """The quarantine of one target's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / QUARANTINE
        self._seen: tuple[Path, tuple[int, int], set[int]] | None = None
        """Of the file that was written to last: path, inode and size, and the positions in it."""

    def add(self, segment: uuid.UUID, position: int, reason: str, data: bytes) -> bool:
        """Add a line, and flush it to disk. False if it is there already, for example from before a crash."""
        return self.add_many(segment, reason, [(position, data)]) == [position]

    def add_many(self, segment: uuid.UUID, reason: str, lines: Sequence[tuple[int, bytes]]) -> list[int]:
        """Add lines with their positions, all or none. Returns the positions of those that were not there already."""
        file = self._file(str(segment))
        with self._locked():
            positions = self._positions(file)
            new = [(position, data) for position, data in lines if position not in positions]
            if not new:
                return []
            entries = (QuarantinedLine(str(segment), at, reason, data.decode("latin-1")) for at, data in new)
            text = b"".join(json.dumps(entry._asdict()).encode() + b"\n" for entry in entries)
            descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = _cut_to_whole_entries(descriptor)
                if os.write(descriptor, text) < len(text):
                    os.ftruncate(descriptor, size)
                    raise OSError(errno.ENOSPC, "There is no room for what goes into quarantine")
                os.fsync(descriptor)
                positions.update(position for position, _ in new)
                self._seen = file, _identity(os.fstat(descriptor)), positions
            finally:
                os.close(descriptor)
        return [position for position, _ in new]

    def add_segment(self, path: Path) -> None:
        """Move a whole segment into quarantine."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            path.rename(self._folder / path.name)

    def lines(self) -> Iterator[QuarantinedLine]:
        """Return all lines, by segment and position."""
        for file in sorted(self._folder.glob("*.ndjson")):
            yield from sorted(_read(file), key=lambda line: line.position)

    def segments(self) -> list[Path]:
        """Return the whole segments."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def release(self, path: Path) -> None:
        """Move a whole segment back into the journal."""
        path.rename(self._folder.parent / path.name)

    def discard(self, names: Collection[str]) -> int:
        """Remove for good everything with one of these names: lines, all lines of a segment, whole segments.

        Logs how many were removed and why they were in quarantine, and returns how many. Raises `LookupError` for a
        name that nothing in quarantine has, and then removes nothing.
        """
        wanted = set(names)
        lines = [line for line in self.lines() if not wanted.isdisjoint((line.name, line.segment))]
        segments = [path for path in self.segments() if path.name in wanted]
        known = {name for line in lines for name in (line.name, line.segment)} | {path.name for path in segments}
        if unknown := sorted(wanted - known):
            raise LookupError(f"There is no {', no '.join(unknown)} in quarantine")
        positions = defaultdict(set)
        for line in lines:
            positions[line.segment].add(line.position)
        for segment, gone in positions.items():
            self.remove(segment, gone)
        for path in segments:
            path.unlink(missing_ok=True)
        reasons = Counter([*(line.reason for line in lines), *[WHOLE] * len(segments)])
        logger.warning(
            "Records that could not be stored were discarded.",
            extra={
                "action": "quarantine.discarded",
                "lines": len(lines),
                "segments": len(segments),
                "reasons": dict(reasons.most_common(LOGGED_REASONS)),
            },
        )
        return len(lines) + len(segments)

    def remove(self, segment: str, positions: Collection[int]) -> None:
        """Remove lines of a segment."""
        file = self._file(segment)
        with self._locked():
            kept = [line for line in _read(file) if line.position not in positions]
            if not kept:
                file.unlink(missing_ok=True)
                return
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)  # left by a run that was killed
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(new, flags, 0o600), "w") as out:
                out.writelines(json.dumps(line._asdict()) + "\n" for line in kept)
                out.flush()
                os.fsync(out.fileno())
            new.replace(file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Context manager: only one process changes the quarantine, because a lander adds while an operator removes."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / QUARANTINE_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _positions(self, file: Path) -> set[int]:
        """Return the positions in a file. The file is not read again for each line that is added."""
        with suppress(FileNotFoundError):
            if self._seen is not None and self._seen[:2] == (file, _identity(file.stat())):
                return self._seen[2]
        return {line.position for line in _read(file)}

    def _file(self, segment: str) -> Path:
        return self._folder / f"{segment}.ndjson"


def _cut_to_whole_entries(descriptor: int) -> int:
    """Remove the incomplete entry that a crash left at the end of a file, and return the file's size."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        size = os.pread(descriptor, size, 0).rfind(b"\n") + 1
        os.ftruncate(descriptor, size)
    return size


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_size


def _read(file: Path) -> list[QuarantinedLine]:
    found = []
    with suppress(FileNotFoundError):
        for text in file.read_text(errors="replace").splitlines():
            with suppress(ValueError, TypeError):  # an entry that a crash cut short is added again by the lander
                entry: dict[str, Any] = json.loads(text)
                found.append(QuarantinedLine(**entry))
    return found
