"""The number of requests in the last minute: a ring of counters, one a second, that other processes can read."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

from health.forking import run_after_fork
from health.metrics.multiprocess import allocate, create_file, is_abandoned, lock, shared_directory

WINDOW_S = 60
SLOTS = 64
SLOT = struct.Struct("qq")
"""A second of the monotonic clock, which all processes of a host share, and the number of requests in it."""
RING_BYTES = SLOTS * SLOT.size


class Window:
    """Counts the requests of this process by second."""

    def __init__(self) -> None:
        self._ring: memoryview | None = None
        self._descriptor: int | None = None

    def count(self, now: float) -> None:
        """Count a request at this time of the monotonic clock. The caller must hold `multiprocess.lock`."""
        ring = self._ring
        if ring is None:
            ring = self._open()
        second = int(now)
        index = second % SLOTS * 2
        if ring[index] == second:
            ring[index + 1] += 1
        else:
            ring[index + 1] = 1
            ring[index] = second

    def snapshot(self) -> bytes:
        """Return the ring of this process as bytes."""
        with lock:
            return bytes(RING_BYTES) if self._ring is None else self._ring.tobytes()

    def is_shared(self) -> bool:
        """Return whether other processes can read the ring."""
        return self._descriptor is not None

    def forget(self) -> None:
        """Drop the ring, which after a fork is the parent's."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._ring, self._descriptor = None, None

    def _open(self) -> memoryview:
        descriptor = create_file("requests", "ring")
        if descriptor is not None and allocate(descriptor, 0, RING_BYTES):
            self._descriptor = descriptor
            ring = memoryview(mmap.mmap(descriptor, RING_BYTES)).cast("q")
        else:
            ring = memoryview(bytearray(RING_BYTES)).cast("q")
            if descriptor is not None:
                os.close(descriptor)
        self._ring = ring
        return ring


recent = Window()
"""The requests of this process."""


def requests_last_minute() -> int:
    """Return the number of requests of all processes in the last 60 seconds, the current one included."""
    oldest = int(time.monotonic()) - WINDOW_S + 1
    directory = shared_directory()
    total = 0 if directory is not None and recent.is_shared() else _count(recent.snapshot(), oldest)
    if directory is None:
        return total
    for file in directory.glob("requests_*.ring"):
        count = _count(_read(file), oldest)
        if not count and is_abandoned(file):
            file.unlink(missing_ok=True)
        total += count
    return total


def _count(ring: bytes, oldest: int) -> int:
    return sum(count for second, count in SLOT.iter_unpack(ring) if second >= oldest)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()[:RING_BYTES].ljust(RING_BYTES, b"\0")
    except OSError:
        return bytes(RING_BYTES)


run_after_fork(recent.forget)
