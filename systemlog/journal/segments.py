"""Segment files: a header of one block, then framed lines, appended by one process.

The header says what the file is (JSON, one line) and, in its cells, how far the lander has come and what was refused.
The owner holds the file's lock for life: whoever gets it knows that nobody writes there any more, whatever became of
pid, host or container.
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
"""What the name of a segment begins with while it is made."""

HEADER_BYTES = 4096
CELLS_OFFSET = 3840
CELL = struct.Struct("<Q")

_LEVELS = len(LEVEL_NAMES)


class Cell(IntEnum):
    """Where the numbers in a header stand; those by level take as many cells as there are levels."""

    LANDED = 0
    COUNTED = 1
    ACCEPTED = 2
    REFUSED = ACCEPTED + _LEVELS
    REPORTED = REFUSED + _LEVELS


CELLS = struct.Struct(f"<{Cell.REPORTED + _LEVELS}Q")


class UnreadableSegment(SystemLogError):
    """The file is no segment that this version reads; the text says why."""


class Segment:
    """A segment that this process writes to. It is closed, and its lock let go of, when nobody refers to it."""

    __slots__ = ("_cells", "descriptor", "id", "path", "size", "torn")

    def __init__(self, folder: Path, target: str, writer: str | None = None) -> None:
        """Make a new one, for the process's own records or those of one `writer`.

        Raises `OSError` where that cannot be: no room, no inode, no permission.
        """
        self.id = uuid.uuid4()
        self.path = folder / f"{self.id}{SUFFIX}"
        self.size = HEADER_BYTES
        self.torn = 0
        """So many bytes at its end, at most, are of a frame that the disk had no room for."""
        self._cells: int | None = None
        hidden = folder / f"{UNFINISHED}{self.id}"  # seen by no lander before it is locked and whole
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
        """Close, now that no thread can be writing."""
        for descriptor in (getattr(self, "descriptor", None), getattr(self, "_cells", None)):
            if descriptor is not None:
                os.close(descriptor)

    @property
    def is_unlinked(self) -> bool:
        """Whether somebody removed the file under its writer."""
        return os.fstat(self.descriptor).st_nlink == 0

    @property
    def is_landed(self) -> bool:
        """Whether all that is whole in it is in the database, as the lander says."""
        landed = CELL.unpack(os.pread(self.descriptor, CELL.size, CELLS_OFFSET + CELL.size * Cell.LANDED))[0]
        return bool(landed >= os.fstat(self.descriptor).st_size - self.torn)

    def count_refused(self, level: int, total: int) -> None:
        """Note how many records of this level were refused so far."""
        if self._cells is None:
            # A descriptor of its own: what goes to one with O_APPEND is appended, wherever it should go.
            self._cells = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        os.pwrite(self._cells, CELL.pack(total), CELLS_OFFSET + CELL.size * (Cell.REFUSED + level))


class SegmentReader:
    """A segment as the lander sees it: read at will, its cells written.

    It holds no file open, for a folder may hold more segments than a process may have files. `FileNotFoundError` comes
    of whatever is asked of one that is gone.
    """

    __slots__ = ("_final_size", "_finished", "_told", "id", "path", "target")

    def __init__(self, path: Path) -> None:
        """Read the header. Raises `UnreadableSegment` where this version cannot read it, `OSError` where it is gone."""
        self.path = path
        self._finished = False
        self._final_size: int | None = None
        self._told = False
        header = read_header(self.read(0, HEADER_BYTES), path)
        self.id = uuid.UUID(header["segment"])
        self.target = header["target"]

    @property
    def size(self) -> int:
        """The file's size."""
        if self._final_size is not None:
            return self._final_size
        size = self.path.stat().st_size
        if self._finished:
            self._final_size = size
        return size

    @property
    def is_finished(self) -> bool:
        """Whether nobody will write to it any more."""
        if not self._finished:
            self._finished = lock_is_free(self.path)
        return self._finished

    def read(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from `position` on."""
        with _opened(self.path, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, count, position)

    def cells(self) -> tuple[int, ...]:
        """The numbers in the header, by `Cell`."""
        return CELLS.unpack(self.read(CELLS_OFFSET, CELLS.size))

    def set_landed(self, position: int) -> None:
        """Note for readers of the directory how far the lander has come. The database's checkpoint is what counts."""
        self.write_cells(Cell.LANDED, [position])

    def write_cells(self, first: int, numbers: Iterable[int]) -> None:
        """Write numbers into the header, from the cell `first` on."""
        with _opened(self.path, os.O_WRONLY) as descriptor:
            os.pwrite(descriptor, b"".join(map(CELL.pack, numbers)), CELLS_OFFSET + CELL.size * first)

    def refused(self) -> tuple[int, ...]:
        """Per level, how many records were refused that no record tells of yet."""
        if self._told:
            return (0,) * _LEVELS
        finished = self._finished
        cells = self.cells()
        refused, reported = cells[Cell.REFUSED : Cell.REPORTED], cells[Cell.REPORTED :]
        unreported = tuple(max(0, all_ - told) for all_, told in zip(refused, reported, strict=True))
        self._told = finished and not any(unreported)
        return unreported

    def set_reported(self) -> None:
        """Note that a record tells of all that was refused so far."""
        self.write_cells(Cell.REPORTED, self.cells()[Cell.REFUSED : Cell.REPORTED])


def sync(path: Path) -> None:
    """Have the disk hold what the file holds. Raises `OSError` where it is gone, or the disk is broken."""
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fdatasync(descriptor)


def lock_is_free(path: Path) -> bool:
    """Whether no process holds the file's lock. Raises `FileNotFoundError` when it is gone."""
    with _opened(path, os.O_RDWR) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def read_header(data: bytes, path: Path) -> dict[str, Any]:
    """What the header says. Raises `UnreadableSegment` for one that this version cannot read."""
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
    """Whose records a segment holds, by its header; None for those of processes themselves."""
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
    told = {"version": VERSION, "segment": str(segment), "target": target, "columns": COLUMNS}
    if writer is not None:
        told["writer"] = writer
    text = json.dumps(told).encode() + b"\n"
    cells = CELLS.pack(HEADER_BYTES, HEADER_BYTES, *[0] * (len(Cell) - 2 + 3 * (_LEVELS - 1)))
    return (text.ljust(CELLS_OFFSET) + cells).ljust(HEADER_BYTES, b"\0")
