"""What the probes found last, as gauges: a scrape reads these and runs no probe."""

from __future__ import annotations

from health.metrics.instruments import COLLECTOR_SUCCESS, PROBE_DURATION, PROBE_STATE, READY
from health.states import Result, State


def show_result(probe: str, result: Result) -> None:
    """Show what a probe has found."""
    for state in State:
        PROBE_STATE.labels(probe, state.value).set(result.state is state)
    PROBE_DURATION.labels(probe).set(result.took_s)


def show_collector(collector: str, result: Result) -> None:
    """Show whether a collector gave what it should."""
    COLLECTOR_SUCCESS.labels(collector).set(result.state is State.PASS)


def show_ready(ready: bool) -> None:
    """Show what was answered."""
    READY.set(ready)
