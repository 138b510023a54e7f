"""The partitions of the log table on PostgreSQL: which ones exist, and making those that records need."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from systemlog.conf import conf
from systemlog.storage.base import Storage
from systemlog.storage.calendar import AHEAD, Span, days_ahead
from systemlog.storage.partitions import Partition, PartitionReport
from systemlog.storage.postgresql import partitions

SETTLED = timedelta(days=1)
"""Leaves of the last day and of the two days ahead never go, so that a process may remember that they are there."""

REMEMBERED_AHEAD = timedelta(days=2)

LOCK_TIMEOUT = "2s"
"""So long at most may what makes or detaches a leaf wait for a lock."""

SEEN_FOR_S = 60

known_spans: dict[tuple[str, str], list[Span]] = {}
"""The spans of the leaves of a database (alias, name), as last read by this process."""

recent_spans: dict[tuple[str, str], tuple[float, list[Span]]] = {}
"""The same for readers, to whom it does not matter if a leaf is missing here: when it was read, and the spans."""


class PartitionedStorage(Storage):
    """A storage that knows the partitions of the table and makes those that are missing."""

    def ensure_partitions(self, instants: Iterable[datetime]) -> None:
        """Make the leaves that are missing, each in a transaction of its own, on a connection of its own.

        Whoever writes now also makes the last of the leaves ahead, or one of them if several are missing.
        """
        now = datetime.now(UTC)
        wanted = sorted(set(instants))
        known = known_spans.get(self._database(), [])
        unknown = uncovered(wanted, [span for span in known if _is_kept(span, now)])
        writes_now = bool(wanted) and wanted[-1] > now - SETTLED
        if not unknown and not (writes_now and uncovered([now + AHEAD[conf().PARTITION]], known)):
            return
        known = [partition.span for partition in self._partitions()]
        if missing := uncovered(unknown, known):
            known = self._make(missing)
        if writes_now and (ahead := uncovered(days_ahead(now, conf().PARTITION), known)):
            # Who writes does not need it yet, and neither waits nor fails for it; the next one tries again.
            with suppress(OperationalError):
                known = self._make(ahead[:1], lock_timeout="50ms")
        known_spans[self._database()] = known

    def missing_partitions(self, instants: Iterable[datetime]) -> list[datetime]:
        """Those without a leaf."""
        return uncovered(instants, [partition.span for partition in self._partitions()])

    def spans(self) -> list[Span]:
        """The leaves that ever held a row."""
        with self.connection.cursor() as cursor:
            return [partition.span for partition in partitions.read_partitions(cursor) if partition.size_bytes]

    def partition_spans(self) -> list[Span]:
        """As this process has read them last, if that is not long ago."""
        read_at, spans = recent_spans.get(self._database(), (-float("inf"), []))
        if time.monotonic() - read_at > SEEN_FOR_S:
            with self.connection.cursor() as cursor:
                spans = [partition.span for partition in partitions.read_partitions(cursor)]
            recent_spans[self._database()] = time.monotonic(), spans
        return spans

    def partitions(self) -> list[PartitionReport]:
        """The partitions, those with a pending DETACH too."""
        with self.connection.cursor() as cursor:
            return partitions.report_partitions(cursor)

    def _partitions(self) -> list[Partition]:
        with self.connection.cursor() as cursor:
            return partitions.read_partitions(cursor)

    def _make(self, instants: Iterable[datetime], lock_timeout: str = LOCK_TIMEOUT) -> list[Span]:
        spans: list[Span] = []
        recent_spans.pop(self._database(), None)
        own = self.connection.copy()
        try:
            for instant in instants:
                if uncovered([instant], spans):
                    with own.wrap_database_errors, _transaction(own) as cursor:
                        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
                        spans = partitions.create_partition(cursor, instant)
            return spans
        finally:
            own.close()

    def _database(self) -> tuple[str, str]:
        return self.connection.alias, str(self.connection.settings_dict["NAME"])


@contextmanager
def _transaction(connection: Any) -> Iterator[CursorWrapper]:
    """`transaction.atomic` knows registered aliases only. After an error, closing the connection rolls back."""
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        yield cursor
    connection.commit()


def uncovered(instants: Iterable[datetime], spans: Iterable[Span]) -> list[datetime]:
    """The instants that lie in none of the spans."""
    ordered = sorted(spans)
    lowers = [span.lower for span in ordered]
    return [
        instant
        for instant in instants
        if not (place := bisect_right(lowers, instant)) or instant not in ordered[place - 1]
    ]


def _is_kept(span: Span, now: datetime) -> bool:
    """Whether nobody takes this leaf away, so that it need not be asked for each time."""
    return span.upper > now - SETTLED and span.lower < now + REMEMBERED_AHEAD
