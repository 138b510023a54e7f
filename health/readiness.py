"""From the results of the probes to one verdict: may this instance be sent traffic?"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Sequence

from health.draining import is_draining
from health.metrics import gauges
from health.probes.configuration import ConfiguredProbe
from health.runner import runner
from health.states import Result, State

PENDING = "has not run yet"

_started = threading.Event()


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What is known at one instant."""

    results: Sequence[tuple[ConfiguredProbe, Result]]
    db_ok: bool
    draining: bool
    state: State

    @property
    def ready(self) -> bool:
        """Whether the instance may be sent traffic."""
        return self.state is not State.FAIL

    @property
    def message(self) -> str:
        """The verdict for a human, without anything that a stranger should not know."""
        if self.draining:
            return "Draining: takes no new requests."
        if not self.ready:
            return "Not ready: something that the service needs is not available."
        return "Ready to serve." if self.state is State.PASS else "Ready to serve, with a warning."


def judge() -> Verdict:
    """The verdict from what is known now; runs no probe."""
    now = time.monotonic()
    pending = Result(State.FAIL, PENDING, now, 0.0)
    results = [(probe, result or pending) for probe, result in runner().results()]
    state = overall(results)
    if state is not State.FAIL:
        _started.set()
    draining = is_draining()
    verdict = Verdict(
        results=results,
        db_ok=all(result.state is not State.FAIL for probe, result in results if probe.is_database),
        draining=draining,
        state=State.FAIL if draining else state,
    )
    gauges.show_ready(verdict.ready)
    return verdict


def has_started() -> bool:
    """Whether all critical probes have passed at once before, in this process: start-up is over, for good."""
    return _started.is_set()


def database_is_down() -> bool:
    """Whether a database is known not to answer."""
    return any(
        probe.is_database and result is not None and result.state is State.FAIL for probe, result in runner().results()
    )


def overall(results: Sequence[tuple[ConfiguredProbe, Result]]) -> State:
    """The worst of all; a failure that is not critical is a warning."""
    if any(probe.critical and result.state is State.FAIL for probe, result in results):
        return State.FAIL
    return State.PASS if all(result.state is State.PASS for _, result in results) else State.WARN
