"""A file of fixed size that the processes of one host share. Each region of it is locked by byte-range locks.

A file that was deleted is created again, one that was cut short is extended, and one with a damaged header is emptied.
Its space on the disk is allocated before it is written.
"""

from __future__ import annotations

import fcntl
import functools
import os
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

# Not `time.sleep` when it is called: gevent replaces that function by one that runs other requests, and a request that
# waits here holds a lock of this process, which may not be one of gevent's.

HEADER_BYTES = 4096
_header = struct.Struct("<8s36sq")
MAGIC = b"SLLIMIT1"

PATIENCE_S = 0.5
"""Timeout of a lock. Locks are held for microseconds, unless the holder was stopped or is debugged."""

CLOCK_STEP_NS = 10**9
"""If the time of day was set by more than this, the header is written again, because a reboot will need it."""

SPINS = 50
PAUSE_S = 0.0005

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


now_ns = functools.partial(time.clock_gettime_ns, _CLOCK)
"""Return the nanoseconds since the host started. No one can set this clock."""


class LockedFile:
    """An open descriptor. A process must open the file only once: closing *any* descriptor releases all its locks."""

    __slots__ = ("_size", "descriptor")

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self._size = size

    def lock(self, start: int, length: int) -> None:
        """Lock a region against other processes, not against threads of this one. Raises `TimeoutError`."""
        for attempt in range(1_000_000):
            try:
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, HEADER_BYTES + start)
                return
            except (BlockingIOError, PermissionError):
                if attempt == 0:
                    deadline = time.monotonic() + PATIENCE_S
                elif time.monotonic() > deadline:
                    raise TimeoutError(None, "its lock is held by a process that does not go on") from None
                sleep(0 if attempt < SPINS else PAUSE_S)

    def unlock(self, start: int, length: int) -> None:
        """Release the region."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, length, HEADER_BYTES + start)

    @contextmanager
    def locked(self, start: int, length: int) -> Iterator[None]:
        """Hold the region's lock."""
        self.lock(start, length)
        try:
            yield
        finally:
            self.unlock(start, length)

    def own(self, *, alone: bool = False) -> bool:
        """Hold the file as one of its processes, or as the only one. Return False if other processes prevent that.

        A call with `alone` first releases the lock of one of its processes. So if several processes exit at once, the
        last call succeeds.
        """
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        try:
            if alone:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, 0)
            fcntl.lockf(self.descriptor, kind | fcntl.LOCK_NB, 1, 0)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes of the region. A file that was cut short is extended first."""
        data = os.pread(self.descriptor, length, HEADER_BYTES + start)
        if len(data) < length:
            os.posix_fallocate(self.descriptor, 0, self._size)
            data = os.pread(self.descriptor, length, HEADER_BYTES + start)
        return data

    def write(self, start: int, data: bytes) -> None:
        """Write the bytes at the start of the region."""
        os.pwrite(self.descriptor, data, HEADER_BYTES + start)


class StoreFile:
    """The file at `path`, opened on first use.

    With `has_times`, the file holds slots of three words. The last one is a time of `now_ns`, which is shifted after a
    reboot.
    """

    def __init__(self, path: Path, size: int, *, has_times: bool = False) -> None:
        self.path = path
        self._has_times = has_times
        self._size = HEADER_BYTES + size
        self.opened: LockedFile | None = None
        self._identity = (0, 0)
        self._offset_ns = 0

    def open(self) -> LockedFile:
        """The open file. Raises `OSError`."""
        return self.opened or self._open_anew()

    def look(self) -> None:
        """Check whether the path still leads to the open file. If not, open the file at the path, or create it."""
        if self.opened is None:
            return
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            identity, size = (0, 0), 0
        else:
            identity, size = (status.st_dev, status.st_ino), status.st_size
        if identity != self._identity:
            self._open_anew(self.opened)
        elif size < self._size or (self._has_times and abs(_offset_ns() - self._offset_ns) > CLOCK_STEP_NS):
            self._prepare(self.opened.descriptor)

    def close(self) -> None:
        """Close the descriptor."""
        left, self.opened = self.opened, None
        if left is not None:
            os.close(left.descriptor)

    def _open_anew(self, old: LockedFile | None = None) -> LockedFile:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                raise PermissionError(None, "is no file of this user")
            self._prepare(descriptor, old)
        except BaseException:
            os.close(descriptor)
            raise
        opened = self.opened = LockedFile(descriptor, self._size)
        self._identity = status.st_dev, status.st_ino
        if old is not None:
            os.close(old.descriptor)
        return opened

    def _prepare(self, descriptor: int, old: LockedFile | None = None) -> None:
        """Set size and header of the file. A new file in place of a deleted one gets the content of the deleted one."""
        with _alone(descriptor):
            if os.fstat(descriptor).st_size != self._size:
                os.posix_fallocate(descriptor, 0, self._size)
                os.ftruncate(descriptor, self._size)
            magic, boot, offset = _header.unpack(os.pread(descriptor, _header.size, 0).ljust(_header.size, b"\0"))
            if magic != MAGIC:
                kept = b"" if old is None else os.pread(old.descriptor, self._size - HEADER_BYTES, HEADER_BYTES)
                os.pwrite(descriptor, kept.ljust(self._size - HEADER_BYTES, b"\0"), HEADER_BYTES)
            elif self._has_times and boot != _boot_id():
                self._shift(descriptor, offset - _offset_ns())
            self._offset_ns = _offset_ns()
            os.pwrite(descriptor, _header.pack(MAGIC, _boot_id(), self._offset_ns), 0)

    def _shift(self, descriptor: int, by_ns: int) -> None:
        """Convert the times of the previous boot to the clock of this one, so that the limits stay in force."""
        words = memoryview(bytearray(os.pread(descriptor, self._size - HEADER_BYTES, HEADER_BYTES))).cast("Q")
        now = now_ns()
        for place in range(2, len(words), 3):
            if words[place]:
                shifted = words[place] + by_ns
                words[place] = shifted if now < shifted < 2**63 else 0
        os.pwrite(descriptor, words.cast("B"), HEADER_BYTES)


@contextmanager
def _alone(descriptor: int) -> Iterator[None]:
    """Hold the lock of the whole file, which is independent of the locks of its regions. Raises `TimeoutError`."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(None, "another process has been preparing it for too long") from None
            sleep(PAUSE_S)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _boot_id() -> bytes:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:36].ljust(36, b"\0")
    return bytes(36)


def _offset_ns() -> int:
    """Return the difference between the time of day and the host's clock, in nanoseconds."""
    return time.time_ns() - now_ns()
