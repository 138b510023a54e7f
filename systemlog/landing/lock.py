"""Who lands: of all processes of a host one, elected by a file lock."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from systemlog.forking import run_after_fork
from systemlog.journal import directory


class LanderLock:
    """The lock that one lander of a folder holds; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        _elections.add(self)

    def win(self) -> bool:
        """Whether this is the lander now. Raises `JournalUnusable` where there can be no folder."""
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

    def step_down(self) -> None:
        """Let another be it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_elections: weakref.WeakSet[LanderLock] = weakref.WeakSet()


@run_after_fork
def _begin_anew() -> None:
    # A forked process has its parent's descriptor, and would hold the lock for as long as it lives.
    for election in list(_elections):
        election.step_down()
