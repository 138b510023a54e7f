"""The journal on the operations page: what waits on this host's disk, what was refused, and which process lands."""

from __future__ import annotations

import os
from typing import Any

from systemlog.conf import conf
from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Cell, Fact, Report, State, Table
from systemlog.console.operations.words import count, counted, seconds, size
from systemlog.journal import backends, read_state
from systemlog.journal.counts import count_accepted
from systemlog.journal.directory import JournalState, count_refused, target_folder
from systemlog.landing.lock import find_lander
from systemlog.landing.stats import added, read_ledger
from systemlog.probes import LATE_S
from systemlog.records.levels import LEVEL_NAMES


def read(user: Any) -> Report | None:
    """Return the state of the journal. Reads only files, so that it works while the database is down."""
    if backends.kind() != "files":
        return Report(f"Records are taken by the journal “{backends.kind()}”, which keeps nothing on disk.", State.GOOD)
    state, folder = read_state(), target_folder()
    ledger = read_ledger(folder)
    accepted = added(ledger.accepted, count_accepted(folder))
    refused = added(ledger.refused, count_refused(folder))
    lander = find_lander(folder)
    verdict, summary = _judge(state, sum(refused), lander is not None)
    facts = [
        Fact("Waiting", size(state.waiting_bytes), note=f"{state.fill:.1%} of {size(state.max_bytes)}"),
        Fact(
            "Oldest waits for",
            seconds(state.oldest_age_s) if state.waiting_bytes else "nothing waits",
            State.WARNING if state.oldest_age_s > LATE_S else State.NONE,
        ),
        Fact("Landing", _who(lander), State.NONE if lander is not None else State.WARNING, note=_how()),
        Fact(
            "In quarantine",
            count(state.quarantined),
            State.WARNING if state.quarantined else State.NONE,
            note="see `manage.py system_log_quarantine`" if state.quarantined else "",
        ),
        Fact("On disk", size(state.bytes), note=counted(state.segments, "segment")),
    ]
    if ledger.batch_records:
        facts.append(
            Fact("Last batch", counted(int(ledger.batch_records), "record"), note=f"in {seconds(ledger.batch_s)}")
        )
    rows = [
        [
            Cell(level),
            Cell(count(accepted[number]), number=True),
            Cell(count(ledger.landed[number]), number=True),
            Cell(count(refused[number]), number=True, state=State.ERROR if refused[number] else State.NONE),
            Cell(count(ledger.quarantined[number]), number=True),
        ]
        for number, level in enumerate(LEVEL_NAMES)
    ]
    table = Table(("Level", "Accepted", "Landed", "Refused", "Quarantined"), rows, "Records by level")
    return Report(summary, verdict, facts, table, note="Since the journal's folder was made, on this host.")


def _judge(state: JournalState, refused: int, has_lander: bool) -> tuple[State, str]:
    if any(state.refused.values()):
        return State.ERROR, "The journal refuses records, because it is too full."
    if state.foreign:
        return State.WARNING, f"{counted(len(state.foreign), 'segment')} of another user cannot be read."
    if state.oldest_age_s > LATE_S:
        return State.WARNING, f"Records land late: the oldest waits for {seconds(state.oldest_age_s)}."
    if state.quarantined:
        return State.WARNING, f"{counted(state.quarantined, 'record')} could not be stored."
    if not has_lander and state.waiting_bytes:
        return State.WARNING, "Records wait, and no process of this host lands them at the moment."
    return State.GOOD, "Records land soon." if not refused else "Records land soon; some were refused in the past."


def _who(lander: int | None) -> str:
    if lander is None:
        return "no process of this host"
    if not lander:
        return "a process of this host"
    return f"process {lander}" + (", which made this page" if lander == os.getpid() else "")


def _how() -> str:
    return "a thread of a worker" if conf().LANDER == "thread" else f"LANDER is “{conf().LANDER}”"


PART = Part("journal", "Journal", read, order=20)
