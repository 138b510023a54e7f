"""Waiting for what other threads and processes do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVENTUALLY_S = 10


def eventually(condition: Callable[[], bool], within_s: float = EVENTUALLY_S) -> bool:
    """Ask until the condition holds or the time is over. Return whether it holds."""
    until = time.monotonic() + within_s
    pause = threading.Event()
    while time.monotonic() < until:
        if condition():
            return True
        pause.wait(0.02)
    return False
