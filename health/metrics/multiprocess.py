"""Shares metrics: each process keeps its numbers in files of prometheus_client's format, which others can read.

This replaces the value class of prometheus_client, whose files are sparse: on a full disk, writing to a page that
cannot be allocated is a SIGBUS. Here the space is written before it is mapped, and a number without space stays in the
memory of the process, as all numbers do where no directory is set. A file belongs to one process for good. The process
holds the file's lock until it ends, so a process that acquires the lock knows that the owner is dead, even if another
process has its pid now.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import secrets
import shutil
import struct
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from health.compat import key_of, use_value_class
from health.forking import run_after_fork

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "HEALTH_METRICS_OWNER"
BEGAN = "HEALTH_METRICS_BEGAN"
FOLDER_LOCK = "lock"

CHUNK_BYTES = 2**16
HEADER_BYTES = 8
CELL_BYTES = 8
USED = struct.Struct("i")
NUMBER = struct.Struct("dd")
"""Value and timestamp. The timestamp is for the modes that show the most recent value."""

Cells: TypeAlias = "memoryview[float]"
"""Doubles, in a file or in memory. A double is stored atomically: no reader sees half of it."""

Place: TypeAlias = tuple[Cells, int]
"""Position of a number: the cells and the index in them. The next cell holds its timestamp."""


def share(directory: Path | str) -> None:
    """Share the metrics of this process and its future children, in a new directory below `directory`.

    Call it in the server's first process before Django is loaded, as in gunicorn's configuration file. Called again by
    the same process (a reload), it does nothing. Several servers may name the same directory.
    PROMETHEUS_MULTIPROC_DIR in the environment has precedence. The directories of servers that have ended are removed.
    """
    if os.environ.get(OWNER) == str(os.getpid()):
        return
    given = None if OWNER in os.environ else os.environ.get(DIRECTORY)
    directory = Path(given or directory).absolute()
    run = directory / f"run-{os.getpid()}-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):  # each process then keeps its numbers in memory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in directory.glob("run-*"):
            if is_abandoned(left / FOLDER_LOCK):
                shutil.rmtree(left, ignore_errors=True)
        _make_run(run)
    os.environ |= {DIRECTORY: str(run), OWNER: str(os.getpid()), BEGAN: str(time.monotonic())}
    install()


def install() -> None:
    """Make all metrics that are created from now on keep their numbers here."""
    use_value_class(SharedValue)


def shared_directory() -> Path | None:
    """Return the directory of the shared files; None if processes do not share."""
    directory = os.environ.get(DIRECTORY)
    return Path(directory) if directory else None


def is_abandoned(file: Path) -> bool:
    """Return whether the process that created the file has ended, with all children that inherited the lock."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


class SharedFile:
    """The file of one kind of numbers (`counter`, `gauge_livesum`, …) of this process."""

    def __init__(self, kind: str) -> None:
        self.private: dict[bytes, Cells] = {}
        """Numbers that did not fit into the file."""
        self._kind = kind
        self._places: dict[bytes, Place] = {}
        self._used = HEADER_BYTES
        self._size = 0
        self._descriptor = create_file(kind)
        self._map = memoryview(b"")
        self._cells: Cells = memoryview(b"").cast("d")
        self._grow()

    def place(self, key: bytes) -> Place:
        """Return the place of the number of this key."""
        if key not in self._places:
            self._places[key] = self._append(key) or self._keep(key)
        return self._places[key]

    def settle(self) -> bool:
        """Move numbers from memory into the file. Return whether there was space for at least one."""
        if self._descriptor is None:
            self._descriptor = create_file(self._kind)
        settled = False
        while self.private:
            key = next(iter(self.private))
            place = self._append(key)
            if place is None:
                break
            kept = self.private.pop(key)
            cells, index = self._places[key] = place
            cells[index], cells[index + 1] = kept
            settled = True
        return settled

    def close(self) -> None:
        """Close the file, which stays in the directory."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _keep(self, key: bytes) -> Place:
        cells = self.private[key] = memoryview(bytearray(NUMBER.size)).cast("d")
        return cells, 0

    def _append(self, key: bytes) -> Place | None:
        padded = key + b" " * (8 - (len(key) + USED.size) % 8)
        entry = USED.pack(len(key)) + padded + bytes(NUMBER.size)
        end = self._used + len(entry)
        while end > self._size:
            if not self._grow():
                return None
        self._map[self._used : end] = entry
        self._used = end
        self._map[: USED.size] = USED.pack(end)  # last, so that a reader sees only complete entries
        return self._cells, (end - NUMBER.size) // CELL_BYTES

    def _grow(self) -> bool:
        if self._descriptor is None or not allocate(self._descriptor, self._size, CHUNK_BYTES):
            return False
        self._size += CHUNK_BYTES
        # Numbers that have a place stay in the earlier maps, which show the same file.
        self._map = memoryview(mmap.mmap(self._descriptor, self._size))
        self._cells = self._map.cast("d")
        return True


def create_file(kind: str, suffix: str = "db") -> int | None:
    """Create a file of this process, locked before others can see it. Return None if it cannot be created."""
    directory = shared_directory()
    if directory is None:
        return None
    name = f"{kind}_{os.getpid()}-{secrets.token_hex(4)}.{suffix}"
    hidden = directory / f".{name}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(directory / name)
    except OSError:
        os.close(descriptor)
        hidden.unlink(missing_ok=True)
        return None
    return descriptor


def allocate(descriptor: int, start: int, length: int) -> bool:
    """Write zeros, which allocates the space. Return False if there is none."""
    try:
        return os.pwrite(descriptor, bytes(length), start) == length
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            return False
        raise


class SharedValue:
    """One number. It is a value class of prometheus_client."""

    _multiprocess = True

    __slots__ = ("__weakref__", "_cells", "_index", "_key", "_kind")

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **kwargs: object,
    ) -> None:
        self._kind = f"gauge_{multiprocess_mode}" if typ == "gauge" else typ
        self._key = key_of(metric_name, name, labelnames, labelvalues, help_text)
        self._cells: Cells | None = None
        with lock:
            self._attach()
            _values.add(self)

    def inc(self, amount: float) -> None:
        """Add to the number."""
        with lock:
            cells, index = self.place()
            cells[index] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the number."""
        with lock:
            cells, index = self.place()
            cells[index] = value
            cells[index + 1] = timestamp or 0.0

    def get(self) -> float:
        """Return the number of this process."""
        with lock:
            cells, index = self.place()
            return cells[index]

    def place(self) -> Place:
        """Return the place, which is valid until numbers move (`when_moved`). The caller must hold `lock`."""
        return (self._cells or self._attach()), self._index

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing, because exemplars are not shared."""

    def get_exemplar(self) -> None:
        """Do nothing, because exemplars are not shared."""

    def _attach(self) -> Cells:
        file = _files.get(self._kind)
        if file is None:
            file = _files[self._kind] = SharedFile(self._kind)
        self._cells, self._index = file.place(self._key)
        return self._cells


def place_of(value: object) -> Place:
    """Return the place of a value, for code that changes several numbers at once.

    The place is valid until the callbacks of `when_moved` run. Raises `TypeError` for a value of another class.
    """
    if not isinstance(value, SharedValue):
        raise TypeError("the metric was created before `install()` was called")
    with lock:
        return value.place()


def _make_run(run: Path) -> None:
    hidden = run.with_name(f".{run.name}")
    hidden.mkdir(mode=0o700)
    descriptor = os.open(hidden / FOLDER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # stays open, and held, until the last worker ends
    hidden.rename(run)


lock = threading.RLock()
"""Held while a number of this process changes. Reentrant, because a signal handler may log, and so count, meanwhile."""

_files: dict[str, SharedFile] = {}
_values: weakref.WeakSet[SharedValue] = weakref.WeakSet()


def private_numbers() -> dict[str, dict[bytes, tuple[float, float]]]:
    """Return the numbers of this process for which its files have no space, by kind."""
    with lock:
        return {
            kind: {key: (cells[0], cells[1]) for key, cells in file.private.items()}
            for kind, file in _files.items()
            if file.private
        }


def settle() -> None:
    """Move numbers from memory into the files, if there is space now."""
    with lock:
        settled = [file.settle() for file in _files.values()]
        if any(settled):
            _look_up_again()


def when_moved(act: Callable[[], None]) -> None:
    """Register a callback for when numbers have moved, by a fork or from memory into a file. It runs under `lock`."""
    _moved.append(act)


def _look_up_again() -> None:
    for value in _values:
        value._cells = None
    for act in _moved:
        act()


_moved: list[Callable[[], None]] = []


@run_after_fork
def _begin_in_child() -> None:
    for file in _files.values():
        file.close()
    _files.clear()
    _look_up_again()  # the child counts from zero, in files of its own
    with contextlib.suppress(RuntimeError):  # uWSGI does not call what is registered to run before a fork
        lock.release()


# The fork waits until no thread of the parent is changing a number.
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release)
