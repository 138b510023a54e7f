"""Pruning: delete expired records by policy, and archive and verify them first if a policy says so.

A run also maintains the partitions: it creates those of the days ahead, merges and seals old ones. It can be
interrupted at any point, run twice at the same time, and run beside writers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from django.db.models import Q

from systemlog.conf import conf
from systemlog.correlation import current_ids
from systemlog.exceptions import SystemLogError
from systemlog.groups.folding import fold_all
from systemlog.models import SystemLog, SystemLogRollup
from systemlog.recording import record
from systemlog.records.ids import mint_id, next_instant
from systemlog.retention import archive
from systemlog.retention.compression import GZIP
from systemlog.retention.policies import AUDIT
from systemlog.storage import PartitionInUse, Row, Storage, get_storage
from systemlog.storage.calendar import Span
from systemlog.storage.expiry import Expiry, Policy, Verdict
from systemlog.storage.partitions import Partition, PartitionState
from systemlog.storage.pruning import Callbacks, Step
from systemlog.storage.rollup import OTHER
from systemlog.storage.witness import Removal, get_witness

CATEGORY = "systemlog.retention"
"""The category of the records about pruning."""

MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
MAX_RECORD_AHEAD = timedelta(days=1)
MAX_UNUSED = timedelta(days=30)


class NoPolicy(SystemLogError):
    """There is no policy: nothing is deleted. Set SYSTEMLOG['RETENTION'], or say --older-than."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class NowhereToArchive(SystemLogError):
    """A policy has 'archive': True, but no directory is set: nothing is deleted. Set SYSTEMLOG['ARCHIVE_DIR']."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class ClockLooksWrong(SystemLogError):
    """The clock of this host looks wrong, so that the age of records cannot be judged."""


@dataclass(slots=True)
class Outcome:
    """The result of a run: the numbers of records, and the partitions that open transactions kept locked."""

    deleted: int = 0
    archived: int = 0
    in_use: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ArchiveTo:
    """The directory of the archive, and its compression."""

    directory: Path
    compression: str = GZIP


def plan(policies: Sequence[Policy], *, now: datetime | None = None) -> Iterator[Step]:
    """Yield what `prune` would do with each partition that has expired records, oldest first. Raises `NoPolicy`."""
    expiry = _expiry(policies, now)
    storage = get_storage()
    for partition in _expiring_partitions(storage, expiry):
        step = storage.plan(partition, _without_idle(expiry, partition))
        if step.expired or step.rows == 0:
            yield step


def prune(
    policies: Sequence[Policy],
    *,
    archive_to: ArchiveTo | None = None,
    trust_clock: bool = False,
    progress: Callable[[str], None] = lambda doing: None,
    now: datetime | None = None,
) -> Outcome:
    """Delete expired records, partition by partition, oldest first. Then maintain the partitions.

    `progress` is called with a description of each action. Raises `NoPolicy`, `NowhereToArchive` and `ClockLooksWrong`
    before anything is changed, and `ArchiveFailed` if records could not be archived; these records are kept.
    """
    expiry = _expiry(policies, now)
    archives = any(policy.archive for policy in policies)
    if archives and archive_to is None:
        raise NowhereToArchive
    storage = get_storage()
    if not trust_clock:
        check_clock(storage, expiry.now)
    outcome = Outcome()
    with ExitStack() as stack:
        waiting = partial(progress, "waiting for another run to end")
        try:
            stack.enter_context(storage.exclusive(waiting))
        except PartitionInUse as error:
            outcome.in_use.append(error.name)
            return outcome
        removal = stack.enter_context(get_witness().removing(storage.connection, waiting))
        open_archive = None
        if archives and archive_to:
            opened = archive.opened(archive_to.directory, archive_to.compression, waiting)
            open_archive = stack.enter_context(opened)
        fold_all()  # once the records are deleted, none could name the group of a count
        for partition in _expiring_partitions(storage, expiry):
            _prune_partition(storage, partition, expiry, open_archive, outcome, progress, removal)
        if outcome.deleted:
            record("audit.prune", "Records were pruned", deleted=outcome.deleted, archived=outcome.archived)
        fold_all()  # SQLite appends a count for each error that was deleted
        try:
            storage.maintain(progress)
            storage.forget_notes()
        except PartitionInUse as error:
            outcome.in_use.append(error.name)
    return outcome


def archive_older(
    before: datetime, archive_to: ArchiveTo, *, progress: Callable[[str], None] = lambda doing: None
) -> Outcome:
    """Archive the records older than `before`, a file for each partition. Delete nothing. Raises `ArchiveFailed`."""
    expiry = Expiry((Policy(keep=timedelta(0), archive=True),), before)
    storage = get_storage()
    outcome = Outcome()
    waiting = partial(progress, "waiting for another run to end")
    with ExitStack() as stack:
        try:
            stack.enter_context(storage.exclusive(waiting))  # no other run rewrites a partition while it is read
        except PartitionInUse as error:
            outcome.in_use.append(error.name)
            return outcome
        removal = stack.enter_context(get_witness().removing(storage.connection, waiting))
        open_archive = stack.enter_context(archive.opened(archive_to.directory, archive_to.compression, waiting))
        for partition in _expiring_partitions(storage, expiry):
            progress(f"archiving {partition.name}")
            storage.archive(partition, expiry, _writer(open_archive, outcome, removal))
            removal.finish()
    return outcome


def check_clock(storage: Storage, now: datetime) -> None:
    """Raise `ClockLooksWrong` if the database contradicts this host's clock."""
    clock = storage.clock()
    ahead = SystemLog.objects.filter(timestamp__gt=now + MAX_RECORD_AHEAD)
    newest = ahead.values_list("timestamp", flat=True).order_by("-timestamp").first()
    if abs(clock.now - now) > MAX_CLOCK_DIFFERENCE:
        wrong = f"the database says {clock.now:%Y-%m-%d %H:%M} UTC"
    elif newest is not None:
        wrong = f"there is a record of {newest:%Y-%m-%d %H:%M} UTC, more than a day ahead"
    elif clock.last_used is not None and now - clock.last_used > MAX_UNUSED:
        wrong = f"the database was last in use about {clock.last_used:%Y-%m-%d}, more than {MAX_UNUSED.days} days ago"
    else:
        return
    raise ClockLooksWrong(
        f"Nothing was deleted: this host's clock says {now:%Y-%m-%d %H:%M} UTC, but {wrong}. "
        "If the clock is right, say --trust-clock."
    )


def _prune_partition(
    storage: Storage,
    partition: Partition,
    expiry: Expiry,
    open_archive: archive.Archive | None,
    outcome: Outcome,
    progress: Callable[[str], None],
    removal: Removal,
) -> None:
    progress(f"reading {partition.name}")
    expiry = _without_idle(expiry, partition)
    step = storage.plan(partition, expiry)
    before = outcome.deleted
    callbacks = Callbacks(
        archive=_writer(open_archive, outcome, removal) if open_archive else None,
        removal_record=lambda rows, span: _removal_record(step, rows, span, expiry),
        progress=lambda rows: progress(f"{before + rows:,} records deleted"),
        removal=removal,
    )
    try:
        outcome.deleted += storage.execute(step, expiry, callbacks)
        removal.finish()
    except PartitionInUse as error:
        outcome.in_use.append(error.name)


def _expiry(policies: Sequence[Policy], now: datetime | None) -> Expiry:
    if not policies:
        raise NoPolicy
    return Expiry(tuple(policies), now or datetime.now(UTC))


def _without_idle(expiry: Expiry, partition: Partition) -> Expiry:
    """Return the policies without that of audit records, where the roll-up says that the partition has none.

    A partition whose records all expire can then be dropped in place of being rewritten.
    """
    kept = [policy for policy in expiry.policies if policy.categories != (f"{AUDIT}*",)]
    if len(kept) == len(expiry.policies) or not kept:
        return expiry
    span = partition.span
    hour = span.lower.replace(minute=0, second=0, microsecond=0)
    hours = SystemLogRollup.objects.filter(hour__gte=hour, hour__lt=span.upper)
    if hours.filter(Q(category__startswith=AUDIT) | Q(category=OTHER)).exists():
        return expiry
    return replace(expiry, policies=tuple(kept))


def _expiring_partitions(storage: Storage, expiry: Expiry) -> list[Partition]:
    """Return the partitions that may have expired records, oldest first."""
    there = [report.partition for report in storage.partitions() if report.state is not PartitionState.DETACHING]
    return [partition for partition in reversed(there) if expiry.verdict(*partition.span) is not Verdict.NOTHING]


def _writer(
    open_archive: archive.Archive, outcome: Outcome, removal: Removal
) -> Callable[[Partition, Iterator[bytes]], None]:
    def write(partition: Partition, blocks: Iterator[bytes]) -> None:
        entry = open_archive.write(partition.name, removal.archiving(blocks))
        if entry:
            outcome.archived += entry.rows
            removal.archived(entry.file, entry.content_sha256)

    return write


def _removal_record(step: Step, rows: int, span: Span, expiry: Expiry) -> Row:
    """Return the record about the removal of `rows` records, which lie in `span`.

    It is stored in the transaction that removes them.
    """
    instant = next_instant()
    context = {
        "action": "pruned",
        "rows": rows,
        "partition": step.partition.name,
        "since": span.lower.isoformat(),
        "until": span.upper.isoformat(),
        "by": step.action.value,
        "policies": [
            {
                **({"category": list(policy.categories)} if policy.categories else {}),
                **({"level": list(policy.levels)} if policy.levels else {}),
                "before": cutoff.isoformat() if (cutoff := expiry.cutoff(policy)) else None,
                "archived": policy.archive,
            }
            for policy in expiry.policies
        ],
    }
    message = f"Pruned {rows} records of {step.partition.name}"
    correlation_id, trace_id, user_id = current_ids()
    source = conf().SOURCE or socket.gethostname()
    return Row(
        instant,
        mint_id(instant),
        "INFO",
        CATEGORY,
        source,
        message,
        correlation_id,
        user_id,
        context,
        trace_id,
        None,
        None,
    )
