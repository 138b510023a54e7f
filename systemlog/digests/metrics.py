"""The metrics of the digests, and the warning for the probe.

Both come from the directory outside the database alone, so they are available while the database is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from systemlog.conf import conf
from systemlog.digests.outside import outside
from systemlog.digests.statements import Statement, write_hour
from systemlog.exceptions import SystemLogError

LATE = timedelta(hours=3)
"""Sealing is late after this. An hour is sealed some minutes after its end, a large one within the next hour."""

OLD = timedelta(days=8)
"""A verification is old after this. The log should be verified every week."""


class LogAltered(SystemLogError):
    """The last verification has found hours that are not as they were sealed. Run manage.py verify_system_logs."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def warning() -> str | None:
    """Return what is wrong with the digests, or None if nothing is or there is no key. Raises `LogAltered`."""
    if not conf().DIGEST_KEY:
        return None
    place = outside()
    verification = place.last_verification()
    if verification is not None and not verification.held:
        raise LogAltered
    head = place.head()
    if head is None or head.until is None:
        return "no hour is sealed yet: is a lander at work?"
    if _age(head) > LATE:
        return f"no hour after {write_hour(head.until)} is sealed: is a lander at work?"
    if verification is not None and datetime.now(UTC) - verification.at > OLD:
        return f"the log was last verified on {verification.at:%Y-%m-%d}"
    return None


def families() -> Iterator[Metric]:
    """Yield the metric families of the digests. Without digests they have no samples."""
    head = verification = None
    if conf().DIGEST_KEY:
        head, verification = outside().head(), outside().last_verification()
    until = head.until if head else None
    yield _gauge("systemlog_digests_number", "Number of digests of this log.", head.number if head else None)
    yield _gauge(
        "systemlog_digests_sealed_until_timestamp_seconds",
        "All hours of the log before this time are sealed.",
        until.timestamp() if until else None,
    )
    yield _gauge(
        "systemlog_digests_sealed_age_seconds",
        "How long ago the last sealed hour ended.",
        _age(head).total_seconds() if head and until else None,
    )
    yield _gauge(
        "systemlog_digests_verification_timestamp_seconds",
        "When the log was last verified on this host.",
        verification.at.timestamp() if verification else None,
    )
    yield _gauge(
        "systemlog_digests_verification_held",
        "Whether the last verification on this host found every hour as it was sealed (1) or not (0).",
        int(verification.held) if verification else None,
    )


def _gauge(name: str, text: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def _age(head: Statement) -> timedelta:
    return datetime.now(UTC) - (head.until or datetime.now(UTC))
