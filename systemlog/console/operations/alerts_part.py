"""The alerts on the operations page: which rules fire, and whether evaluation and delivery are on time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from systemlog.alerts.configuration import is_on
from systemlog.alerts.reading import AlertState, alert_states, health, warnings
from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Cell, Fact, Report, State, Table
from systemlog.console.operations.words import count, counted, seconds

MAX_ROWS = 20
ORDER = {"firing": 0, "error": 1, "pending": 2}
STATES = {"firing": State.ERROR, "error": State.ERROR, "pending": State.WARNING}


def read(user: Any) -> Report | None:
    """Return the states of the rules, firing ones first. Returns None if there are no rules."""
    if not is_on():
        return None
    states, work, wrong = alert_states(), health(), warnings()
    firing = [each for each in states if each.state == "firing" and not each.silenced]
    summary = f"{counted(len(firing), 'alert')} firing." if firing else "No alert fires."
    facts = [
        Fact("Rules", count(len(states))),
        Fact("Firing", count(len(firing)), State.ERROR if firing else State.NONE),
        Fact("Evaluated", "never" if work.age_s is None else f"{seconds(work.age_s)} ago"),
        Fact("Messages waiting", count(work.waiting)),
    ]
    now = datetime.now(UTC)
    shown = sorted(states, key=lambda each: (each.silenced, ORDER.get(each.state, 9), each.rule))[:MAX_ROWS]
    return Report(
        " ".join([summary, *(f"{text[0].upper()}{text[1:]}." for text in wrong)]),
        State.ERROR if firing else State.WARNING if wrong else State.GOOD,
        facts,
        Table(("Rule", "State", "For", "Value", "Error"), [_row(each, now) for each in shown], "Rules"),
        note=f"{MAX_ROWS} of {len(states)} rules." if len(states) > MAX_ROWS else "",
        link=_url(),
        link_text="All alerts",
    )


def _row(each: AlertState, now: datetime) -> list[Cell]:
    silenced = " (silenced)" if each.silenced else ""
    return [
        Cell(each.rule),
        Cell(each.state + silenced, state=State.NONE if silenced else STATES.get(each.state, State.NONE)),
        Cell(seconds((now - each.starts_at).total_seconds()) if each.starts_at else "", number=True),
        Cell("" if each.value is None else count(each.value), number=True),
        Cell(each.error),
    ]


def _url() -> str:
    try:
        return reverse("admin:systemlog_alert_changelist")
    except NoReverseMatch:
        return ""


PART = Part("alerts", "Alerts", read, order=15)
