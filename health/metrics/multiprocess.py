"""The numbers of one process in files that the other processes read: prometheus_client's format, made to survive.

It takes the place of prometheus_client's own value class, in whose files a full disk is a SIGBUS: they are sparse, and
the page that cannot be had is missed when it is written to. Here room is made before it is mapped, and a number for
which there is none is kept in the process, as all are where there is no directory. A file is never used again by
another process. Its owner holds its lock for life: who gets the lock knows that the owner is dead, whatever became of
its pid.
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

from prometheus_client import values
from prometheus_client.mmap_dict import mmap_key

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
OWNER = "HEALTH_METRICS_OWNER"
BEGAN = "HEALTH_METRICS_BEGAN"
FOLDER_LOCK = "lock"

CHUNK_BYTES = 2**16
HEADER_BYTES = 8
CELL_BYTES = 8
USED = struct.Struct("i")
NUMBER = struct.Struct("dd")
"""Value and time; the time is for the modes that show the most recent value."""

Cells: TypeAlias = "memoryview[float]"
"""Doubles, in a file or in the process. One is stored at once: no reader sees half of it."""

Place: TypeAlias = tuple[Cells, int]
"""Where a number is: the cells and its index in them; its time is in the next."""


def share(directory: Path | str) -> None:
    """Share the metrics of all processes that come from this one, in a folder below `directory`.

    Call it in the server's first process before Django is loaded, as in gunicorn's configuration file; called again by
    the same process (a reload), it does nothing. Two servers may name the same directory. PROMETHEUS_MULTIPROC_DIR in
    the environment has precedence. What servers left that have ended is removed.
    """
    if os.environ.get(OWNER) == str(os.getpid()):
        return
    given = None if OWNER in os.environ else os.environ.get(DIRECTORY)
    directory = Path(given or directory).absolute()
    run = directory / f"run-{os.getpid()}-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):  # then each process keeps its numbers to itself
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in directory.glob("run-*"):
            if is_abandoned(left / FOLDER_LOCK):
                shutil.rmtree(left, ignore_errors=True)
        _make_run(run)
    os.environ |= {DIRECTORY: str(run), OWNER: str(os.getpid()), BEGAN: str(time.monotonic())}
    install()


def install() -> None:
    """Metrics that are made from now on, whoever makes them, keep their numbers here."""
    values.ValueClass = SharedValue


def shared_directory() -> Path | None:
    """Where the shared files are; None where every process is alone."""
    directory = os.environ.get(DIRECTORY)
    return Path(directory) if directory else None


def is_abandoned(file: Path) -> bool:
    """Whether the process that made the file is gone, and all that it passed the lock on to by a fork."""
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
    """The numbers of one kind (`counter`, `gauge_livesum`, …) of this process."""

    def __init__(self, kind: str) -> None:
        self.private: dict[bytes, Cells] = {}
        """Numbers for which there was no room in the file."""
        self._kind = kind
        self._places: dict[bytes, Place] = {}
        self._used = HEADER_BYTES
        self._size = 0
        self._descriptor = create_file(kind)
        self._map = memoryview(b"")
        self._cells: Cells = memoryview(b"").cast("d")
        self._grow()

    def place(self, key: bytes) -> Place:
        """Where the number of this key is."""
        if key not in self._places:
            self._places[key] = self._append(key) or self._keep(key)
        return self._places[key]

    def settle(self) -> bool:
        """Put numbers that had no room into the file; whether there was room for one."""
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
        """Let go of the file, which stays."""
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
        self._map[: USED.size] = USED.pack(end)  # last: a reader takes only what is whole
        return self._cells, (end - NUMBER.size) // CELL_BYTES

    def _grow(self) -> bool:
        if self._descriptor is None or not allocate(self._descriptor, self._size, CHUNK_BYTES):
            return False
        self._size += CHUNK_BYTES
        # Numbers that have their place stay on the earlier maps, which show the same file.
        self._map = memoryview(mmap.mmap(self._descriptor, self._size))
        self._cells = self._map.cast("d")
        return True


def create_file(kind: str, suffix: str = "db") -> int | None:
    """A new file of this process, locked before anybody can see it; None where it cannot be made."""
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
    """Write zeros, so that the room is really there; False where there is none."""
    try:
        return os.pwrite(descriptor, bytes(length), start) == length
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            return False
        raise


class SharedValue:
    """One number: what prometheus_client calls a value class."""

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
        self._key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text).encode()
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
        """The number of this process."""
        with lock:
            cells, index = self.place()
            return cells[index]

    def place(self) -> Place:
        """Where it is until numbers move (`when_moved`); for who holds the lock."""
        return (self._cells or self._attach()), self._index

    def set_exemplar(self, exemplar: object) -> None:
        """Exemplars are not shared."""

    def get_exemplar(self) -> None:
        """Exemplars are not shared."""

    def _attach(self) -> Cells:
        file = _files.get(self._kind)
        if file is None:
            file = _files[self._kind] = SharedFile(self._kind)
        self._cells, self._index = file.place(self._key)
        return self._cells


def place_of(value: object) -> Place:
    """Where a value of prometheus_client's is until numbers move (`when_moved`): for who changes several at once."""
    if not isinstance(value, SharedValue):
        raise TypeError("the metric was made before `install()`")
    with lock:
        return value.place()


def _make_run(run: Path) -> None:
    hidden = run.with_name(f".{run.name}")
    hidden.mkdir(mode=0o700)
    descriptor = os.open(hidden / FOLDER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until the last worker has ended: it stays open
    hidden.rename(run)


lock = threading.RLock()
"""Held while a number of this process changes. A signal handler or finalizer may log, and so count, meanwhile."""

_files: dict[str, SharedFile] = {}
_values: weakref.WeakSet[SharedValue] = weakref.WeakSet()


def private_numbers() -> dict[str, dict[bytes, tuple[float, float]]]:
    """By kind, the numbers of this process that its files have no room for."""
    with lock:
        return {
            kind: {key: (cells[0], cells[1]) for key, cells in file.private.items()}
            for kind, file in _files.items()
            if file.private
        }


def settle() -> None:
    """Find room for numbers that had none, now that there may be some."""
    with lock:
        settled = [file.settle() for file in _files.values()]
        if any(settled):
            _look_up_again()


def when_moved(act: Callable[[], None]) -> None:
    """Call this, under the lock, each time that numbers have other places: in a forked process, or in a file."""
    _moved.append(act)


def _look_up_again() -> None:
    for value in _values:
        value._cells = None
    for act in _moved:
        act()


_moved: list[Callable[[], None]] = []


def _after_fork() -> None:
    for file in _files.values():
        file.close()
    _files.clear()
    _look_up_again()  # everything counts from zero again, in files of the new process
    with contextlib.suppress(RuntimeError):  # uWSGI (py-call-osafterfork) calls this hook, and not the one before
        lock.release()


# No thread of the parent is in the middle of a change when it is copied.
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=_after_fork)
