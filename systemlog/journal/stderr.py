"""The journal's own trouble, told on stderr: it must not log about itself into itself."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

INTERVAL_S = 60.0

_told = float("-inf")


def complain(text: str) -> None:
    """Write one line to stderr; at most one a minute in this process, whatever it says."""
    global _told  # noqa: PLW0603  (of the process)
    now = time.monotonic()
    if now - _told < INTERVAL_S:
        return
    _told = now
    with suppress(Exception):  # no stderr, or a closed one
        sys.stderr.write(f"systemlog: {text}\n")
        sys.stderr.flush()
