"""The default store: a file of this host, exact over all its processes, without a server.

The file is a hash table of fixed size. A row has eight slots, each a key and its theoretical arrival time (TAT); a slot
whose TAT has passed is free, so nothing is ever cleaned up. A row is read and written under a lock of its bytes, which
the kernel releases when a process is killed. The file is read and written by system calls and not mapped, because a
mapped file that is cut short, or has no room on the disk, ends the process (SIGBUS).
"""

from __future__ import annotations

import struct
import threading
from pathlib import Path

from systemlog.forking import run_after_fork
from systemlog.limits.gcra import Rate, advance
from systemlog.limits.metrics import instruments
from systemlog.limits.stores.file import LockedFile, StoreFile, now_ns
from systemlog.limits.stores.interface import KEY_BYTES, StoreUnavailable

ROWS = 8192
WAYS = 8
SLOT_BYTES = KEY_BYTES + 8
ROW_BYTES = WAYS * SLOT_BYTES
HORIZON_NS = 2 * 366 * 86_400 * 10**9
"""No TAT is so far in the future: what reads so is damage, and its slot is free."""

_slot = struct.Struct(f"<{KEY_BYTES}sQ")
_tat = struct.Struct("<Q")
_tats = struct.Struct("<" + f"{KEY_BYTES}xQ" * WAYS)

LOOK_NS = 10**9
"""How often the file is looked at: whether it was deleted or cut short."""


class SharedStore:
    """Keeps the times in the file at `path`. One process has one store of a file: see `LockedFile`."""

    is_remote = False

    def __init__(self, path: Path) -> None:
        self._file = StoreFile(path, ROWS * ROW_BYTES, has_times=True)
        self._lock = threading.Lock()
        self._look_at_ns = 0
        run_after_fork(self._begin_in_child)

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Count one request of the key."""
        try:
            with self._lock:
                now = now_ns()
                if now > self._look_at_ns:
                    self._file.look()
                    self._look_at_ns = now + LOOK_NS
                return self._take(key, rate, self._file.open())
        except OSError as error:
            raise StoreUnavailable(f"{self._file.path}: {error.strerror or error}") from error

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

    def _take(self, key: bytes, rate: Rate, file: LockedFile) -> int:
        start = (key[0] << 8 | key[1]) % ROWS * ROW_BYTES
        file.lock(start, ROW_BYTES)
        try:
            row = file.read(start, ROW_BYTES)
            # The clock is read under the lock: the time of a row never goes back.
            now = now_ns()
            at = _find(row, key)
            if at is None:
                place, evicted = _free_place(_tats.unpack(row), now)
                tat, spare = advance(0, now, rate)
                file.write(start + place * SLOT_BYTES, _slot.pack(key, tat))
                if evicted:
                    instruments().EVICTIONS.inc()
                return spare
            before = _tat.unpack_from(row, at + KEY_BYTES)[0]
            tat, spare = advance(before, now, rate)
            if spare >= 0:
                file.write(start + at + KEY_BYTES, _tat.pack(tat))
            return spare
        finally:
            file.unlock(start, ROW_BYTES)

    def _begin_in_child(self) -> None:
        # The descriptor stays good: a child holds none of its parent's locks. But another thread may have held this.
        self._lock = threading.Lock()


def _find(row: bytes, key: bytes) -> int | None:
    """Where the key's slot begins in the row."""
    at = row.find(key)
    while at >= 0:
        if at % SLOT_BYTES == 0:
            return at
        at = row.find(key, at + 1)
    return None


def _free_place(tats: tuple[int, ...], now: int) -> tuple[int, bool]:
    """The slot for a new key, and whether that evicts another: the one that is least limited."""
    latest = now + HORIZON_NS
    for place, tat in enumerate(tats):
        if tat <= now or tat > latest:
            return place, False
    return tats.index(min(tats)), True
