"""What gunicorn's configuration file takes over: metrics of all workers together, and draining before the end.

from health.gunicorn import on_starting, share, when_ready

share("/run/api/metrics")
"""

from __future__ import annotations

import contextlib
import signal
from types import FrameType
from typing import Any

from health.conf import conf
from health.draining import drain_file, stop_draining
from health.metrics.shared import share

__all__ = ["on_starting", "share", "when_ready"]


def on_starting(server: Any) -> None:
    """A server that starts is not draining, whatever the last one was."""
    with contextlib.suppress(OSError):
        stop_draining()


def when_ready(server: Any) -> None:
    """From SIGTERM on, all workers say that they are draining; DRAIN_SECONDS later gunicorn begins to stop.

    So a load balancer that has not heard yet is still served. A second SIGTERM stops at once.
    """
    stop, seconds, file = signal.getsignal(signal.SIGTERM), conf().DRAIN_SECONDS, drain_file()
    if not callable(stop):
        return

    def end(number: int, frame: FrameType | None) -> None:
        stop(signal.SIGTERM, frame)

    def drain(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, stop)
        if file is None or not seconds:
            return end(number, frame)
        with contextlib.suppress(OSError):  # then it stops without having said so
            file.parent.mkdir(exist_ok=True)
            file.touch()
        signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return None

    signal.signal(signal.SIGTERM, drain)
