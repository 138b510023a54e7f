"""Hooks for gunicorn's configuration file: metrics of all workers together, and draining before the server stops.

In the configuration file:

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "api.settings")
    share("/run/api/metrics")

The first line is needed because gunicorn's master reads the settings, and only its workers load the application.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any

from django.conf import settings

from health.conf import conf
from health.draining import drain_file, stop_draining, watch
from health.metrics.multiprocess import share

__all__ = ["on_starting", "share", "when_ready"]


def on_starting(server: Any) -> None:
    """Remove a drain file that an earlier server left (gunicorn's hook `on_starting`)."""
    if not _settings_are_known():
        server.log.warning(
            "Draining is left to the workers: set DJANGO_SETTINGS_MODULE in gunicorn's configuration file."
        )
        return
    with contextlib.suppress(OSError):
        stop_draining()
    watch()


def when_ready(server: Any) -> None:
    """Make SIGTERM drain all workers, and stop gunicorn DRAIN_SECONDS later (gunicorn's hook `when_ready`).

    Until then, requests of a load balancer that has not noticed are served. A second SIGTERM stops gunicorn at once.
    """
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop) or not _settings_are_known():
        return
    seconds, file = conf().DRAIN_SECONDS, drain_file()

    def end(number: int, frame: FrameType | None) -> None:
        stop(signal.SIGTERM, frame)

    def drain(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, stop)
        if file is None or not seconds:
            return end(number, frame)
        with contextlib.suppress(OSError):  # gunicorn then stops without draining first
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.touch()
        signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return None

    signal.signal(signal.SIGTERM, drain)


def _settings_are_known() -> bool:
    return settings.configured or bool(os.environ.get("DJANGO_SETTINGS_MODULE"))
