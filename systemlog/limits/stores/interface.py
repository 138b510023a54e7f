"""What a store does, and the error by which it says that it cannot."""

from __future__ import annotations

from typing import Protocol

from systemlog.exceptions import SystemLogError
from systemlog.limits.gcra import Rate

KEY_BYTES = 16


class StoreUnavailable(SystemLogError):
    """The store cannot say whether a request is within its limit. The text says why."""


class Store(Protocol):
    """Keeps one theoretical arrival time (TAT) for each key, exactly, whoever else uses the same store."""

    is_remote: bool
    """Whether a call may wait for another process: then it does not belong on an event loop."""

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Count one request of `key` (16 bytes); gives the spare time of `gcra.advance`.

        Raises `StoreUnavailable` within a second.
        """

    def check(self) -> None:
        """Raise `StoreUnavailable` if `take` would."""

    def close(self) -> None:
        """Let go of files and connections; the next call opens them again."""
