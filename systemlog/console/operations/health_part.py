"""The probes on the operations page: the state of each, how long it has been so, and how long the probe took.

The app `health` and this app do not import each other. If `health` is installed, its report is imported by name.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.utils.module_loading import import_string

from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Cell, Report, State, Table
from systemlog.console.operations.words import counted, seconds

REPORT = "health.report.read_report"
STATES = {"pass": State.GOOD, "warn": State.WARNING, "fail": State.ERROR}
WORDS = {State.GOOD: "Passes", State.WARNING: "Warns", State.ERROR: "Fails", State.NONE: "Unknown"}


def read(user: Any) -> Report | None:
    """Return the probes. Details may name hosts and paths, so only users with `health.view_details` see them."""
    if not apps.is_installed("health"):
        return None
    health = import_string(REPORT)()
    detailed = user.has_perm("health.view_details")
    rows = []
    for probe in health.probes:
        state = STATES.get(probe.state, State.NONE)
        rows.append(
            [
                Cell(probe.name),
                Cell(WORDS[state], state=state),
                Cell(seconds(probe.took_s), number=True),
                Cell(seconds(probe.since_s), number=True),
                Cell("yes" if probe.critical else "no"),
                Cell(probe.detail if detailed else "" if state is State.GOOD else "You may not see the reason."),
            ]
        )
    bad = sum(STATES.get(probe.state) is not State.GOOD for probe in health.probes)
    summary = health.message if not bad else f"{health.message} {counted(bad, 'probe')} of {len(rows)} not passing."
    columns = ("Probe", "State", "Took", "For", "Critical", "Reason")
    return Report(
        summary,
        STATES.get(health.state, State.NONE),
        table=Table(columns, rows, "Probes"),
        note="From the view of the process that made this page.",
    )


PART = Part("health", "Health", read, order=10)
