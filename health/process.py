"""What this process knows of itself."""

from __future__ import annotations

import time

_began = time.monotonic()


def uptime_s() -> float:
    """Seconds since the service was started."""
    return time.monotonic() - _began
