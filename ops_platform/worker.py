"""gunicorn's threaded worker, which here can be stopped while it starts, too.

gunicorn sends SIGTERM to a worker once, and waits `graceful_timeout`. A worker that gets it between its fork and its
own signal handlers hands it to the handlers of the master, whose copy it is, and so loses it; one that gets it while
the application is imported finishes that first. Either way a server that is stopped as it starts would take long.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`gthread`, but before it serves, SIGTERM ends it at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Answer SIGTERM."""
        if not self.booted:
            os._exit(0)
        super().handle_exit(sig, frame)


def lose_no_sigterm() -> None:
    """For gunicorn's `on_starting`: a child of this process ends by SIGTERM from its first instruction on."""
    master = os.getpid()

    def hold() -> None:
        if os.getpid() == master:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def release_in_child() -> None:
        if os.getppid() == master:
            signal.signal(signal.SIGTERM, _end)
            release()

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=release_in_child)


def _end(*_: Any) -> None:
    os._exit(0)
