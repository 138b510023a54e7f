"""How many requests came in the last minute: one counter for each second, in a ring."""

from __future__ import annotations

import threading
import time

WINDOW_S = 60
SLOTS = 64


class Window:
    """Counts events by the second they happened in, for the last minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = [0] * SLOTS
        self._counts = [0] * SLOTS

    def count(self) -> None:
        """One more, now."""
        second = int(time.monotonic())
        slot = second % SLOTS
        with self._lock:
            if self._seconds[slot] != second:
                self._seconds[slot], self._counts[slot] = second, 0
            self._counts[slot] += 1

    def total(self) -> int:
        """How many in the last 60 seconds, the one that runs included."""
        oldest = int(time.monotonic()) - WINDOW_S + 1
        with self._lock:
            pairs = list(zip(self._seconds, self._counts, strict=True))
        return sum(count for second, count in pairs if second >= oldest)


recent = Window()
"""The requests of this process."""
