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


def find_lander(folder: Path) -> int | None:
    """Return the id of the process of this host that holds the lock; None if none does, 0 if that is not known.

    Linux lists all locks with their processes. The lock itself is not tried, because that could keep a lander from it.
    """
    try:
        status = (folder / directory.LANDER_LOCK).stat()
        locks = Path("/proc/locks").read_text()
    except FileNotFoundError:
        return None if Path("/proc/locks").exists() else 0
    except OSError:
        return 0
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in locks.splitlines():
        # "3: FLOCK  ADVISORY  WRITE 4711 08:01:131090 0 EOF"; a process that waits has "->" behind the number
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == file:
            return max(0, int(words[4]))
    return None


_locks: weakref.WeakSet[LanderLock] = weakref.WeakSet()


@run_after_fork
def _begin_anew() -> None:
    # A forked process inherits the descriptor, and would hold the lock for as long as it lives.
    for lock in list(_locks):
        lock.release()
