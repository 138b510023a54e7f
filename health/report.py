"""The state of all probes as data, for pages of other apps.

The report has details, which only users with `health.view_details` may see. The page that shows it must check that.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from health.readiness import judge
from health.runner import runner


class ProbeReport(NamedTuple):
    """The latest result of a probe."""

    name: str
    critical: bool
    state: str
    """`pass`, `warn` or `fail`."""

    detail: str
    took_s: float
    since_s: float
    """For how many seconds the probe has been in this state, as far as this process knows."""


class HealthReport(NamedTuple):
    """The verdict about this instance, with the probes that it is based on."""

    state: str
    message: str
    draining: bool
    probes: list[ProbeReport]


def read_report() -> HealthReport:
    """Run the probes whose results are too old, wait for them until the deadline, and return all results."""
    running = runner()
    running.refresh()
    verdict = judge()
    since = running.since()
    now = time.monotonic()
    probes = [
        ProbeReport(
            probe.name,
            probe.critical,
            result.state.value,
            result.detail,
            result.took_s,
            max(0.0, now - since.get(probe.name, now)),
        )
        for probe, result in verdict.results
    ]
    return HealthReport(verdict.state.value, verdict.message, verdict.draining, probes)
