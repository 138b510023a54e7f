"""Waiting for what other threads and processes do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

EVENTUALLY_S = 10


def eventually(condition: Callable[[], bool]) -> bool:
    """Ask until it holds, for ten seconds at the most."""
    until = time.monotonic() + EVENTUALLY_S
    pause = threading.Event()
    while time.monotonic() < until:
        if condition():
            return True
        pause.wait(0.02)
    return False
