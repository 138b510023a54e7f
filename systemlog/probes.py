"""Probes and metrics of the journal and the table, as dotted paths for the app `health` or any other.

Those of the journal read only files, so they answer while the database does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from systemlog.conf import conf
from systemlog.exceptions import SystemLogError
from systemlog.journal import JournalState, backends, read_state
from systemlog.journal.counts import count_accepted
from systemlog.journal.directory import count_refused, target_folder
from systemlog.journal.files import CLOSES_AT
from systemlog.landing.stats import added, read_ledger
from systemlog.limits.guard import guard
from systemlog.limits.stores.interface import StoreUnavailable
from systemlog.records.levels import LEVEL_NAMES

LATE_S = 30.0
"""A record that waits longer than this is late: the database or the lander has a problem."""


OUTBOX_LATE_S = 60.0
"""A change of an audited model that waits for longer is late."""

PARTITIONS_AHEAD = timedelta(days=1)


class JournalClosed(SystemLogError):
    """The journal refuses records of every level."""


def journal() -> str | None:
    """Probe of the journal: None when records land soon, a warning when they wait or when some levels are refused.

    Raises `JournalClosed` when every level is refused, and `JournalUnusable` when there is no directory for the
    journal.
    """
    if backends.kind() != "files":
        return None
    state = read_state()
    if state.fill >= CLOSES_AT[-1]:
        raise JournalClosed(f"The journal is full ({state.waiting_bytes} bytes wait): no records are taken.")
    return "; ".join(_warnings(state)) or None


def audit_outbox() -> str | None:
    """A probe: None where changes of audited models become records soon, a text where they wait for a minute or more.

    Nothing bounds an outbox but the disk of its database.
    """
    from systemlog.audit.draining import waiting_age_s

    age = waiting_age_s()
    if age < OUTBOX_LATE_S:
        return None
    return f"the oldest change in the audit outbox waits for {age:.0f} s: is a lander at work?"


def collect_audit() -> Iterator[Metric]:
    """The metric family of the audit trail; it asks the databases that hold an outbox."""
    from systemlog.audit.draining import waiting_age_s

    yield GaugeMetricFamily(
        "systemlog_audit_outbox_oldest_change_age_seconds",
        "How long the oldest change of an audited model waits to become a record.",
        waiting_age_s(),
    )


class PartitionMissing(SystemLogError):
    """No partition exists for the current time."""


def partitions_made_ahead() -> str | None:
    """Probe of the partitions: None when there are partitions for now and for this time tomorrow, a warning without
    tomorrow's.

    Raises `PartitionMissing` without a partition for now. This package creates a missing partition when it writes a
    record; plain SQL cannot.
    """
    from systemlog.storage import get_storage

    now = datetime.now(UTC)
    missing = get_storage().missing_partitions([now, now + PARTITIONS_AHEAD])
    if now in missing:
        raise PartitionMissing("There is no partition for now: write a record, or run manage.py prune_system_logs.")
    return "The partition for tomorrow is missing: run manage.py prune_system_logs daily." if missing else None


def digests() -> str | None:
    """A probe: None where each hour is sealed in time and the last verification held, or there is no key; else a text.

    Raises `LogAltered` where the last verification on this host found hours that are not as they were sealed.
    """
    from systemlog.digests.metrics import warning

    return warning()


def collect_digests() -> Iterator[Metric]:
    """Yield the metric families of the digests; they read the directory outside the database."""
    from systemlog.digests.metrics import families

    yield from families()


def limits() -> str | None:
    """A probe: None where the store of the rate limits answers, or there are no limits; else a text.

    Raises `StoreUnavailable` where requests are refused because of it.
    """
    if not conf().LIMITS:
        return None
    try:
        guard().store.check()
    except StoreUnavailable as error:
        if conf().LIMITS_FAIL == "closed":
            raise
        return f"The store of the rate limits does not answer, and every request is let in: {error}"
    return None


def alerts() -> str | None:
    """A probe: None where the rules of alerts are evaluated and their messages delivered in time; else a text."""
    from systemlog.alerts.reading import warnings

    return "; ".join(warnings()) or None


def collect_alerts() -> Iterator[Metric]:
    """Yield the metric families of the alerts; they ask the log's database."""
    from systemlog.alerts.metrics import families

    return families()


def collect() -> Iterator[Metric]:
    """Yield the metric families of the journal and of landing. They count for the whole host."""
    state, folder = read_state(), target_folder()
    ledger = read_ledger(folder)
    yield GaugeMetricFamily("systemlog_journal_bytes", "Bytes of the journal not yet landed.", state.waiting_bytes)
    yield GaugeMetricFamily("systemlog_journal_max_bytes", "Bytes that may wait in the journal.", state.max_bytes)
    yield GaugeMetricFamily("systemlog_journal_segments", "Segment files of the journal.", state.segments)
    yield GaugeMetricFamily(
        "systemlog_journal_oldest_record_age_seconds", "How long the oldest record waits.", state.oldest_age_s
    )
    yield GaugeMetricFamily("systemlog_landing_last_batch_records", "Records of the last batch.", ledger.batch_records)
    yield GaugeMetricFamily(
        "systemlog_landing_last_batch_duration_seconds", "Duration of the last batch.", ledger.batch_s
    )
    accepted = added(ledger.accepted, count_accepted(folder))
    yield _by_level("systemlog_records_accepted", "Log records that the journal took.", LEVEL_NAMES, accepted)
    yield _by_level("systemlog_records_landed", "Log records landed.", LEVEL_NAMES, ledger.landed)
    refused = added(ledger.refused, count_refused(folder))
    yield _by_level("systemlog_records_refused", "Log records for which there was no room.", LEVEL_NAMES, refused)
    yield _by_level(
        "systemlog_records_quarantined", "Log records put into quarantine.", (*LEVEL_NAMES, "OTHER"), ledger.quarantined
    )


def _warnings(state: JournalState) -> Iterator[str]:
    closed = [level for level, part in zip(LEVEL_NAMES, CLOSES_AT, strict=True) if state.fill >= part]
    if closed:
        yield f"{state.fill:.0%} full: {', '.join(closed)} refused"
    refused = {level: count for level, count in state.refused.items() if count}
    if refused:
        yield "refused " + ", ".join(f"{count} {level}" for level, count in refused.items())
    if state.oldest_age_s > LATE_S:
        yield f"the oldest record waits for {state.oldest_age_s:.0f} s"
    if state.foreign:
        yield f"{len(state.foreign)} segments belong to another user"
    if state.quarantined:
        yield f"{state.quarantined} in quarantine: see manage.py system_log_quarantine"


def _by_level(name: str, text: str, levels: tuple[str, ...], counts: tuple[int, ...]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["level"])
    for level, count in zip(levels, counts, strict=True):
        family.add_metric([level], count)
    return family
