"""The two duties of the elected lander: evaluating the rules, and sending the messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from systemlog.alerts import leases
from systemlog.alerts.configuration import interval_s, is_on
from systemlog.alerts.deliverer import Deliverer
from systemlog.alerts.evaluator import Evaluator
from systemlog.landing.duties import Duty, register

RETRY_S = 1.0
"""Time until sending begins again after a failure of the database."""


class _Duties:
    """The two duties of one process, with what they keep from run to run."""

    def __init__(self) -> None:
        self._evaluator: Evaluator | None = None
        self._deliverer: Deliverer | None = None
        self._holder = ""

    def evaluate(self, stopping: Callable[[], bool]) -> None:
        if self._evaluator is None:
            self._evaluator = Evaluator()
        if leases.acquire(self._name(), datetime.now(UTC), interval_s() or 0):
            self._evaluator.evaluate()

    def deliver(self, stopping: Callable[[], bool]) -> None:
        if self._deliverer is None:
            self._deliverer = Deliverer(self._name())
        self._deliverer.run(stopping, lambda: leases.has(self._name(), datetime.now(UTC)))

    def _name(self) -> str:
        if not self._holder:
            self._holder = leases.holder()
        return self._holder


def connect() -> None:
    """Register the duties with the lander. They are off while the settings have no rules."""
    duties = _Duties()
    register(Duty("alerts", interval_s, duties.evaluate))
    register(Duty("alert messages", lambda: RETRY_S if is_on() else None, duties.deliver))
