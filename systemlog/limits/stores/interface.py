"""The interface of a store, and its exception."""

from __future__ import annotations

from typing import Protocol

from systemlog.exceptions import SystemLogError
from systemlog.limits.gcra import Rate

KEY_BYTES = 16


class StoreUnavailable(SystemLogError):
    """The store cannot determine whether a request is within its limit. The text gives the reason."""


class Store(Protocol):
    """Keeps one theoretical arrival time (TAT) for each key, exact across all processes that use the store."""

    is_remote: bool
    """Whether a call may wait for another process, so that it must not run on an event loop."""

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Count one request of `key` (16 bytes). Return the spare time of `gcra.advance`.

        Raises `StoreUnavailable` within a second.
        """

    def check(self) -> None:
        """Raise `StoreUnavailable` if `take` would."""

    def close(self) -> None:
        """Close files and connections. The next call opens them again."""
