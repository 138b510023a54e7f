"""The default store: a file of this host, exact over all its processes, without a server.

The file is a hash table of fixed size. A row has eight slots, each a key and its theoretical arrival time (TAT); a slot
whose TAT has passed is free, so nothing is ever cleaned up. A row is read and written under a lock of its bytes, which
the kernel releases when a process is killed. The file is read and written by system calls and not mapped, because a
mapped file that is cut short, or has no room on the disk, ends the process (SIGBUS).
"""

from __future__ import annotations

import functools
import struct
import threading
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, lockf
from os import pread, pwrite
from pathlib import Path

from systemlog.forking import run_after_fork
from systemlog.limits.gcra import Rate, advance
from systemlog.limits.metrics import instruments
from systemlog.limits.stores.file import HEADER_BYTES, LockedFile, StoreFile, now_ns
from systemlog.limits.stores.interface import KEY_BYTES, StoreUnavailable

ROWS = 8192
WAYS = 8
SLOT_BYTES = KEY_BYTES + 8
ROW_BYTES = WAYS * SLOT_BYTES
HORIZON_NS = 2 * 366 * 86_400 * 10**9
"""No valid TAT is further in the future than this. A slot with such a TAT is damaged, and counts as free."""

_slot = struct.Struct(f"<{KEY_BYTES}sQ")
_tat = struct.Struct("<Q")
_read_tat, _write_tat = _tat.unpack_from, _tat.pack
_tats = struct.Struct("<" + f"{KEY_BYTES}xQ" * WAYS)

LOCK = LOCK_EX | LOCK_NB

LOOK_NS = 10**9
"""Interval of checking whether the file was deleted or cut short."""


class SharedStore:
    """Keeps the TATs in the file at `path`. A process must have only one store of a file (see `LockedFile`)."""

    is_remote = False

    def __init__(self, path: Path) -> None:
        self._file = StoreFile(path, ROWS * ROW_BYTES, has_times=True)
        self._lock = threading.Lock()
        self._look_at_ns = 0
        self._is_look_due = False
        run_after_fork(self._begin_in_child)

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Count one request of the key."""
        # The methods of `LockedFile` and `gcra.advance` are inlined, because every request runs this: that saves a
        # third of the time. `with` takes longer than the two methods of the lock.
        at = _row_at(key)
        lock = self._lock
        lock.acquire()
        try:
            if self._is_look_due:
                self._look()
            file = self._file.opened or self._file.open()
            descriptor = file.descriptor
            try:
                lockf(descriptor, LOCK, ROW_BYTES, at)
            except (BlockingIOError, PermissionError):
                file.lock(at - HEADER_BYTES, ROW_BYTES)
            try:
                row = pread(descriptor, ROW_BYTES, at)
                if len(row) < ROW_BYTES:
                    row = file.read(at - HEADER_BYTES, ROW_BYTES)
                # The clock is read under the lock, so that the times of a row never decrease.
                now = now_ns()
                if now > self._look_at_ns:
                    self._is_look_due = True
                place = row.find(key)
                if place < 0 or place % SLOT_BYTES:
                    place = _find(row, key)
                    if place < 0:
                        return self._add(key, rate, row, file, at - HEADER_BYTES)
                (before,) = _read_tat(row, place + KEY_BYTES)
                interval_ns, tolerance_ns = rate
                after = (before if before > now else now) + interval_ns
                spare = now + tolerance_ns - after
                if spare < 0:
                    after, spare = advance(before, now, rate)
                    if after == before:
                        return spare
                pwrite(descriptor, _write_tat(after), at + place + KEY_BYTES)
                return spare
            finally:
                lockf(descriptor, LOCK_UN, ROW_BYTES, at)
        except OSError as error:
            raise StoreUnavailable(f"{self._file.path}: {error.strerror or error}") from error
        finally:
            lock.release()

    def check(self) -> None:
        """Open the file, and lock and read a row."""
        try:
            with self._lock:
                self._file.look()
                file = self._file.open()
                with file.locked(0, ROW_BYTES):
                    file.read(0, ROW_BYTES)
        except OSError as error:
            raise StoreUnavailable(f"{self._file.path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _look(self) -> None:
        self._file.look()
        self._look_at_ns, self._is_look_due = now_ns() + LOOK_NS, False

    def _add(self, key: bytes, rate: Rate, row: bytes, file: LockedFile, start: int) -> int:
        """Take a slot for a key that has none. The caller holds the lock of the row."""
        now = now_ns()
        place, evicted = _free_place(_tats.unpack(row), now)
        tat, spare = advance(0, now, rate)
        file.write(start + place * SLOT_BYTES, _slot.pack(key, tat))
        if evicted:
            instruments().EVICTIONS.inc()
        return spare

    def _begin_in_child(self) -> None:
        # The descriptor stays valid, because a child inherits no record locks. Another thread may have held this lock.
        self._lock = threading.Lock()


@functools.lru_cache(maxsize=4096)
def _row_at(key: bytes) -> int:
    """Return where the key's row begins in the file."""
    return HEADER_BYTES + int.from_bytes(key[:2]) % ROWS * ROW_BYTES


def _find(row: bytes, key: bytes) -> int:
    """Return where the key's slot begins in the row; -1 if it has none."""
    at = row.find(key)
    while at >= 0 and at % SLOT_BYTES:
        at = row.find(key, at + 1)
    return at


def _free_place(tats: tuple[int, ...], now: int) -> tuple[int, bool]:
    """Return the slot for a new key, and whether that evicts another key: the one closest to expiry."""
    latest = now + HORIZON_NS
    for place, tat in enumerate(tats):
        if tat <= now or tat > latest:
            return place, False
    return tats.index(min(tats)), True
