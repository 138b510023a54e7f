"""The partitions on the operations page with their sizes, and what `prune_system_logs` would delete now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from systemlog.conf import conf
from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Cell, Fact, Report, State, Table
from systemlog.console.operations.words import count, counted, size
from systemlog.retention.policies import policies_in_force, read_policies
from systemlog.retention.prune import plan
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.calendar import BEGINNING, END, Span
from systemlog.storage.partitions import PartitionReport, PartitionState
from systemlog.storage.pruning import Step

STATEMENT_S = 3.0
MAX_ROWS = 24
RESOLUTION = timedelta(microseconds=1)
WORDS = {PartitionState.AHEAD: "made ahead", PartitionState.LIVE: "live", PartitionState.OPEN: "over, not sealed yet"}
UNUSUAL = {PartitionState.DETACHING, PartitionState.REWRITTEN}


def read(user: Any) -> Report | None:
    """Return the partitions, newest first."""
    storage = get_storage()
    with storage.budget() as allow:
        allow(STATEMENT_S)
        there = storage.partitions()
    rows, total = sum(each.rows for each in there), sum(each.total_bytes for each in there)
    shown = sorted(there, key=lambda each: each.state is PartitionState.AHEAD)[:MAX_ROWS]
    largest = max((each.total_bytes for each in there), default=0) or 1
    facts = [
        Fact("Records", count(rows), note="an estimate"),
        Fact("Size", size(total), note="with indexes"),
        Fact("Partitions", count(len(there)), State.WARNING if len(there) > 100 else State.NONE),
    ]
    table = Table(
        ("Partition", "Span", "Records", "Size", "State"), [_row(each, largest) for each in shown], "Partitions"
    )
    strange = [each for each in there if each.state in UNUSUAL]
    note = f"The newest {MAX_ROWS} of {len(there)}." if len(there) > MAX_ROWS else ""
    if strange:
        summary = f"{counted(len(strange), 'partition')} being changed, or left so by an interrupted run."
        return Report(summary, State.WARNING, facts, table, note)
    return Report(f"{counted(rows, 'record')} in {size(total)}.", State.GOOD, facts, table, note)


def read_pruning(user: Any) -> Report | None:
    """Return what the retention policies would delete now, as `prune_system_logs --dry-run` does."""
    if not conf().RETENTION:
        return Report(
            "Nothing is ever deleted: there is no retention policy.",
            State.WARNING,
            note="SYSTEMLOG_RETENTION=90d, or SYSTEMLOG['RETENTION'], keeps records for that time. "
            "`manage.py prune_system_logs`, once a day, deletes the older ones.",
        )
    policies = policies_in_force(read_policies(conf().RETENTION), conf().ARCHIVE_DIR)
    try:
        with get_storage().budget() as allow:
            allow(STATEMENT_S)
            steps = list(plan(policies))
    except BudgetSpent:
        return Report(
            "It takes too long to count what would be deleted.",
            State.WARNING,
            note="`manage.py prune_system_logs --dry-run` counts it without a time limit.",
        )
    expired = sum(step.expired for step in steps)
    table = Table(("Partition", "Records", "Expired", "How"), [_step(step) for step in steps[:MAX_ROWS]], "Steps")
    return Report(
        f"A run now would delete {counted(expired, 'record')}." if expired else "A run now would delete nothing.",
        State.GOOD,
        table=table if steps else None,
        note=f"Of {counted(len(steps), 'partition')}, the oldest {MAX_ROWS}." if len(steps) > MAX_ROWS else "",
    )


def _row(each: PartitionReport, largest: int) -> list[Cell]:
    span: Span = each.partition.span
    return [
        Cell(each.partition.name),
        Cell(_days(span)),
        Cell(count(each.rows), number=True),
        Cell(size(each.total_bytes), number=True, share=each.total_bytes / largest),
        Cell(WORDS.get(each.state, each.state.value), state=State.WARNING if each.state in UNUSUAL else State.NONE),
    ]


def _days(span: Span) -> str:
    first = "the beginning" if span.lower == BEGINNING else f"{span.lower:%Y-%m-%d}"
    if span.upper == END:
        return f"from {first} on"
    last = f"{span.upper - RESOLUTION:%Y-%m-%d}"
    return first if first == last else f"{first} to {last}"


def _step(step: Step) -> list[Cell]:
    return [
        Cell(step.partition.name),
        Cell(count(step.rows), number=True),
        Cell(count(step.expired), number=True),
        Cell(step.action.value),
    ]


PART = Part("partitions", "Storage", read, order=30)
PRUNING = Part("pruning", "Retention", read_pruning, order=40)
