"""Segment files: a header of one block, then framed lines, appended by one process.

The header describes the file in one line of JSON. Its cells hold how far the lander has come, and what was refused. The
writer holds an flock on the file for as long as it lives. A process that acquires this lock knows that the writer has
exited, whatever became of its pid, host or container.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

from systemlog.exceptions import SystemLogError
from systemlog.records.levels import LEVEL_NAMES
from systemlog.records.row import COLUMNS

VERSION = 1
SUFFIX = ".segment"
UNFINISHED = ".new-"
"""Prefix of a segment's file name while the segment is being made."""

HEADER_BYTES = 4096
CELLS_OFFSET = 3840
CELL = struct.Struct("<Q")

_LEVELS = len(LEVEL_NAMES)


class Cell(IntEnum):
    """Indexes of the numbers in a header. A number that is kept by level takes as many cells as there are levels."""

    LANDED = 0
    COUNTED = 1
    ACCEPTED = 2
    REFUSED = ACCEPTED + _LEVELS
    REPORTED = REFUSED + _LEVELS


CELLS = struct.Struct(f"<{Cell.REPORTED + _LEVELS}Q")


class UnreadableSegment(SystemLogError):
    """The file is no segment that this version can read; the text says why."""


class Segment:
    """A segment that this process writes to. It is closed, and its lock released, when no reference to it is left."""

    __slots__ = ("_cells", "descriptor", "id", "path", "size", "torn")

    def __init__(self, folder: Path, target: str, writer: str | None = None) -> None:
        """Create a segment for the process's own records, or for those of one `writer`.

        Raises `OSError` where none can be created: no room, no inode, no permission.
        """
        self.id = uuid.uuid4()
        self.path = folder / f"{self.id}{SUFFIX}"
        self.size = HEADER_BYTES
        self.torn = 0
        """Bytes at the end, at most, that belong to a frame for which the disk had no room."""
        self._cells: int | None = None
        hidden = folder / f"{UNFINISHED}{self.id}"  # no lander sees the file before it is locked and whole
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.descriptor = os.open(hidden, flags, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            header = _header(self.id, target, writer)
            if os.write(self.descriptor, header) != len(header):
                raise OSError(f"There is no room for a new segment in {folder}.")
            hidden.rename(self.path)
        except OSError:
            hidden.unlink(missing_ok=True)
            raise

    def __del__(self) -> None:
        """Close the descriptors: no thread can be writing any more."""
        for descriptor in (getattr(self, "descriptor", None), getattr(self, "_cells", None)):
            if descriptor is not None:
                os.close(descriptor)

    @property
    def is_unlinked(self) -> bool:
        """Whether the file was removed while this process writes to it."""
        return os.fstat(self.descriptor).st_nlink == 0

    @property
    def is_landed(self) -> bool:
        """Whether every complete line is in the database, according to the lander."""
        landed = CELL.unpack(os.pread(self.descriptor, CELL.size, CELLS_OFFSET + CELL.size * Cell.LANDED))[0]
        return bool(landed >= os.fstat(self.descriptor).st_size - self.torn)

    def count_refused(self, level: int, total: int) -> None:
        """Write into the header how many records of this level were refused so far."""
        if self._cells is None:
            # This needs a descriptor of its own: with O_APPEND, pwrite appends whatever the offset.
            self._cells = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        os.pwrite(self._cells, CELL.pack(total), CELLS_OFFSET + CELL.size * (Cell.REFUSED + level))


class SegmentReader:
    """A segment as the lander sees it: the lander reads lines and cells, and writes some cells.

    A reader holds no file open, because a folder may hold more segments than a process may open. Every method raises
    `FileNotFoundError` when the file is gone.
    """

    __slots__ = ("_all_reported", "_final_size", "_finished", "id", "path", "target")

    def __init__(self, path: Path) -> None:
        """Read the header. Raises `UnreadableSegment` where this version cannot read it, `OSError` where it is gone."""
        self.path = path
        self._finished = False
        self._final_size: int | None = None
        self._all_reported = False
        header = read_header(self.read(0, HEADER_BYTES), path)
        self.id = uuid.UUID(header["segment"])
        self.target = header["target"]

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        if self._final_size is not None:
            return self._final_size
        size = self.path.stat().st_size
        if self._finished:
            self._final_size = size
        return size

    @property
    def is_finished(self) -> bool:
        """Whether the writer has exited, so that the file will not grow any more."""
        if not self._finished:
            self._finished = lock_is_free(self.path)
        return self._finished

    def read(self, position: int, count: int) -> bytes:
        """Read up to `count` bytes from `position` on."""
        with _opened(self.path, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, count, position)

    def cells(self) -> tuple[int, ...]:
        """Return the numbers in the header, to be indexed by `Cell`."""
        return CELLS.unpack(self.read(CELLS_OFFSET, CELLS.size))

    def set_landed(self, position: int) -> None:
        """Write into the header how far the lander has come. This is for readers of the directory; the checkpoint in
        the database decides."""
        self.write_cells(Cell.LANDED, [position])

    def write_cells(self, first: int, numbers: Iterable[int]) -> None:
        """Write numbers into the header, from the cell `first` on."""
        with _opened(self.path, os.O_WRONLY) as descriptor:
            os.pwrite(descriptor, b"".join(map(CELL.pack, numbers)), CELLS_OFFSET + CELL.size * first)

    def refused(self) -> tuple[int, ...]:
        """Return, by level, how many records were refused that no record in the log mentions yet."""
        if self._all_reported:
            return (0,) * _LEVELS
        finished = self._finished
        cells = self.cells()
        refused, reported = cells[Cell.REFUSED : Cell.REPORTED], cells[Cell.REPORTED :]
        unreported = tuple(max(0, total - known) for total, known in zip(refused, reported, strict=True))
        self._all_reported = finished and not any(unreported)
        return unreported

    def set_reported(self) -> None:
        """Write into the header that a record in the log mentions everything that was refused so far."""
        self.write_cells(Cell.REPORTED, self.cells()[Cell.REFUSED : Cell.REPORTED])


def sync(path: Path) -> None:
    """Flush the file to disk. Raises `OSError` where the file is gone or the disk is broken."""
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fdatasync(descriptor)


def lock_is_free(path: Path) -> bool:
    """Whether no process holds the file's lock. Raises `FileNotFoundError` when the file is gone."""
    with _opened(path, os.O_RDWR) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def read_header(data: bytes, path: Path) -> dict[str, Any]:
    """Return what the header says. Raises `UnreadableSegment` for a header that this version cannot read."""
    try:
        header = dict(json.loads(data.partition(b"\n")[0]))
        version = header["version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UnreadableSegment(f"{path.name} has no header of a segment") from None
    if version != VERSION or header.get("columns") != list(COLUMNS):
        raise UnreadableSegment(f"{path.name} is of version {version}, this software reads version {VERSION}")
    if len(data) < HEADER_BYTES or not _is_uuid(header.get("segment")) or "target" not in header:
        raise UnreadableSegment(f"{path.name} has no whole header")
    return header


def read_writer(data: bytes) -> str | None:
    """Return the writer that a header names; None for the processes' own records."""
    try:
        writer = json.loads(data.partition(b"\n")[0]).get("writer")
    except (ValueError, AttributeError, RecursionError):
        return None
    return writer if isinstance(writer, str) else None


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_uuid(value: object) -> bool:
    try:
        return str(uuid.UUID(str(value))) == value
    except ValueError:
        return False


def _header(segment: uuid.UUID, target: str, writer: str | None) -> bytes:
    header = {"version": VERSION, "segment": str(segment), "target": target, "columns": COLUMNS}
    if writer is not None:
        header["writer"] = writer
    text = json.dumps(header).encode() + b"\n"
    cells = CELLS.pack(HEADER_BYTES, HEADER_BYTES, *[0] * (len(Cell) - 2 + 3 * (_LEVELS - 1)))
    return (text.ljust(CELLS_OFFSET) + cells).ljust(HEADER_BYTES, b"\0")
