"""The latest results of probes and collectors as gauges, so that a scrape runs no probe."""

from __future__ import annotations

from health.metrics.instruments import COLLECTOR_SUCCESS, PROBE_DURATION, PROBE_STATE, READY
from health.states import Result, State


def show_result(probe: str, result: Result) -> None:
    """Set the gauges of a probe."""
    for state in State:
        PROBE_STATE.labels(probe, state.value).set(result.state is state)
    PROBE_DURATION.labels(probe).set(result.took_s)


def show_collector(collector: str, result: Result) -> None:
    """Set the gauge of a collector."""
    COLLECTOR_SUCCESS.labels(collector).set(result.state is State.PASS)


def show_ready(ready: bool) -> None:
    """Set the gauge of the readiness answer."""
    READY.set(ready)
