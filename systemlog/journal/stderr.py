"""Messages about the journal's own failures. They go to stderr, because the journal must not append them
to itself."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

INTERVAL_S = 60.0

_last_line_at = float("-inf")


def complain(text: str) -> None:
    """Write one line to stderr. A process writes at most one line a minute, whatever the text is."""
    global _last_line_at  # noqa: PLW0603  (one per process)
    now = time.monotonic()
    if now - _last_line_at < INTERVAL_S:
        return
    _last_line_at = now
    with suppress(Exception):  # stderr is missing or closed
        sys.stderr.write(f"systemlog: {text}\n")
        sys.stderr.flush()
