"""The readiness verdict: whether this instance may be sent traffic, from the latest results of all probes."""

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
    """The verdict at one instant, with the results that it is based on."""

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
        """The verdict as a sentence, without hosts, versions or exception texts."""
        if self.draining:
            return "Draining: takes no new requests."
        if not self.ready:
            return "Not ready: something that the service needs is not available."
        return "Ready to serve." if self.state is State.PASS else "Ready to serve, with a warning."


def judge() -> Verdict:
    """Return the verdict from the latest results. No probe is run."""
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
    """Return whether all critical probes have once passed at the same time in this process."""
    return _started.is_set()


def database_is_down() -> bool:
    """Return whether the latest result of a database probe is a failure."""
    return any(
        probe.is_database and result is not None and result.state is State.FAIL for probe, result in runner().results()
    )


def overall(results: Sequence[tuple[ConfiguredProbe, Result]]) -> State:
    """Return the worst state of all results. A failure of a probe that is not critical counts as a warning."""
    if any(probe.critical and result.state is State.FAIL for probe, result in results):
        return State.FAIL
    return State.PASS if all(result.state is State.PASS for _, result in results) else State.WARN
