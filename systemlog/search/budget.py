"""The time that one search may take, over all its statements."""

from __future__ import annotations

import time
from collections.abc import Callable

from systemlog.storage import BudgetSpent

TOLERATED = 0.9
"""The statement timeout is set again when less than this share of it is left: setting it costs a statement."""


class TimeBudget:
    """A number of seconds that a search spends statement by statement.

    `allow` sets the database's timeout for the statements that follow; `Storage.budget()` yields it.
    """

    def __init__(self, allow: Callable[[float], None], seconds: float) -> None:
        self._allow = allow
        self._deadline = time.monotonic() + seconds
        self._timeout_s = seconds
        allow(seconds)

    def check(self) -> None:
        """Limit the next statement to the time that is left. Raises `BudgetSpent` if none is left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise BudgetSpent
        if left < self._timeout_s * TOLERATED:
            self._timeout_s = left
            self._allow(left)
