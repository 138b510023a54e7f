"""What the probes found last, as gauges: a scrape reads these and runs no probe."""

from __future__ import annotations

from prometheus_client import Gauge

from health.states import Result, State

VALUES = {State.PASS: 1.0, State.WARN: 0.5, State.FAIL: 0.0}

STATE = Gauge(
    "health_probe_state",
    "What the probe found last: 1 pass, 0.5 warn, 0 fail.",
    ["probe"],
    multiprocess_mode="livemostrecent",
)
DURATION = Gauge(
    "health_probe_duration_seconds",
    "How long its last run took.",
    ["probe"],
    multiprocess_mode="livemostrecent",
)
READY = Gauge(
    "health_ready", "Whether the last readiness answer was ready: 1 or 0.", multiprocess_mode="livemostrecent"
)


def record(probe: str, result: Result) -> None:
    """Show what a probe has found."""
    STATE.labels(probe).set(VALUES[result.state])
    DURATION.labels(probe).set(result.took_s)
