"""Uptime of the service: of its first process, not of the worker that answers."""

from __future__ import annotations

import os
import time

from health.metrics.multiprocess import BEGAN

_loaded = time.monotonic()


def uptime_s() -> float:
    """Return the seconds since the service was started."""
    return time.monotonic() - _began()


def _began() -> float:
    try:
        began = float(os.environ[BEGAN])
    except (KeyError, ValueError):
        return _loaded
    return min(began, _loaded)
