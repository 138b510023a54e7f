"""The part of the PostgreSQL storage that lists partitions and creates those that records need."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db import OperationalError

from systemlog.compat import separate_connection, wrapped_errors
from systemlog.conf import conf
from systemlog.storage.base import Storage
from systemlog.storage.calendar import AHEAD, Span, days_ahead
from systemlog.storage.partitions import Partition, PartitionReport
from systemlog.storage.postgresql import partitions

KEPT_BEHIND = timedelta(days=1)
"""Partitions of the last day and of the two days ahead are never dropped, so that processes may cache them."""

KEPT_AHEAD = timedelta(days=2)

LOCK_TIMEOUT = "2s"
"""The longest that creating or detaching a partition waits for a lock."""

SPANS_CACHED_S = 60
"""How long readers use the spans that this process has read."""

known_spans: dict[tuple[str, str], list[Span]] = {}
"""The spans of the partitions of each database (alias, name), as this process read them last."""

recent_spans: dict[tuple[str, str], tuple[float, list[Span]]] = {}
"""For readers: when the spans of each database were read, and the spans. A missing partition does not matter here."""


class PartitionedStorage(Storage):
    """A storage that lists the table's partitions and creates missing ones."""

    def ensure_partitions(self, instants: Iterable[datetime]) -> None:
        """Create the missing partitions, each in a transaction of its own, on a separate connection.

        A caller that writes records of the present also creates one partition ahead, if one is missing.
        """
        now = datetime.now(UTC)
        wanted = sorted(set(instants))
        known = known_spans.get(self._database(), [])
        unknown = uncovered(wanted, [span for span in known if _is_kept(span, now)])
        writes_now = bool(wanted) and wanted[-1] > now - KEPT_BEHIND
        if not unknown and not (writes_now and uncovered([now + AHEAD[conf().PARTITION]], known)):
            return
        known = [partition.span for partition in self._partitions()]
        if missing := uncovered(unknown, known):
            known = self._create_partitions(missing)
        if writes_now and (ahead := uncovered(days_ahead(now, conf().PARTITION), known)):
            # The partition is not needed yet: this writer neither waits nor fails for it, and the next writer tries
            # again.
            with suppress(OperationalError):
                known = self._create_partitions(ahead[:1], lock_timeout="50ms")
        known_spans[self._database()] = known

    def missing_partitions(self, instants: Iterable[datetime]) -> list[datetime]:
        """Return the instants that no partition contains."""
        return uncovered(instants, [partition.span for partition in self._partitions()])

    def spans(self) -> list[Span]:
        """Return the spans of the partitions that ever had a row."""
        with self.connection.cursor() as cursor:
            return [partition.span for partition in partitions.read_partitions(cursor) if partition.size_bytes]

    def partition_spans(self) -> list[Span]:
        """Return the spans from the cache, or read them if the cache is older than `SPANS_CACHED_S`."""
        read_at, spans = recent_spans.get(self._database(), (-float("inf"), []))
        if time.monotonic() - read_at > SPANS_CACHED_S:
            with self.connection.cursor() as cursor:
                spans = [partition.span for partition in partitions.read_partitions(cursor)]
            recent_spans[self._database()] = time.monotonic(), spans
        return spans

    def partitions(self) -> list[PartitionReport]:
        """Return the partitions, including those whose DETACH is pending."""
        with self.connection.cursor() as cursor:
            return partitions.report_partitions(cursor)

    def _partitions(self) -> list[Partition]:
        with self.connection.cursor() as cursor:
            return partitions.read_partitions(cursor)

    def _create_partitions(self, instants: Iterable[datetime], lock_timeout: str = LOCK_TIMEOUT) -> list[Span]:
        spans: list[Span] = []
        recent_spans.pop(self._database(), None)
        with separate_connection(self.connection) as own:
            for instant in instants:
                if uncovered([instant], spans):
                    with wrapped_errors(own), own.cursor() as cursor:
                        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
                        spans = partitions.create_partition(cursor, instant)
                        own.commit()
        return spans

    def _database(self) -> tuple[str, str]:
        return self.connection.alias, str(self.connection.settings_dict["NAME"])


def uncovered(instants: Iterable[datetime], spans: Iterable[Span]) -> list[datetime]:
    """Return the instants that none of the spans contains."""
    ordered = sorted(spans)
    lowers = [span.lower for span in ordered]
    return [
        instant
        for instant in instants
        if not (place := bisect_right(lowers, instant)) or instant not in ordered[place - 1]
    ]


def _is_kept(span: Span, now: datetime) -> bool:
    """Whether no process drops this partition, so that the cached span can be trusted."""
    return span.upper > now - KEPT_BEHIND and span.lower < now + KEPT_AHEAD
