"""Waits for a condition that another thread or process brings about."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVENTUALLY_S = 60


def eventually(condition: Callable[[], bool], within_s: float = EVENTUALLY_S) -> bool:
    """Call the condition until it is true or the timeout ends. Return whether it was true."""
    until = time.monotonic() + within_s
    pause = threading.Event()
    while time.monotonic() < until:
        if condition():
            return True
        pause.wait(0.02)
    return False
