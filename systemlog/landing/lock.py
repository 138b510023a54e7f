"""The lock by which one process of a host is chosen to land."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from systemlog.forking import run_after_fork
from systemlog.journal import directory


class LanderLock:
    """The lock that one lander of a folder holds. The kernel releases it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        _locks.add(self)

    def acquire(self) -> bool:
        """Try to acquire the lock, and return whether this process holds it. Raises `JournalUnusable` without a usable
        folder."""
        if self._descriptor is None:
            directory.make_folder(self._folder)
            descriptor = os.open(self._folder / directory.LANDER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return False
            self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_locks: weakref.WeakSet[LanderLock] = weakref.WeakSet()


@run_after_fork
def _begin_anew() -> None:
    # A forked process inherits the descriptor, and would hold the lock for as long as it lives.
    for lock in list(_locks):
        lock.release()
