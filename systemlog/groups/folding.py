"""Folding: adding up the counts that writers appended, and creating a group for the first record of an error.

One process at a time folds: the elected lander each second, and any process before it reads groups. A fold is one
transaction, so a crash loses nothing and counts nothing twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import Error, OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from systemlog.conf import conf
from systemlog.fingerprints.records import ALGORITHM, id_of_other, identify
from systemlog.groups.recounting import Stats, recount
from systemlog.groups.releases import is_older, with_release
from systemlog.groups.sums import Sum
from systemlog.groups.users import add_users
from systemlog.models import Group, GroupDelta, GroupEvent, SystemLog
from systemlog.models.groups import Kind, State
from systemlog.storage.advisory_locks import GROUPS_LOCK, LOCK_SQL, TRY_LOCK_SQL
from systemlog.storage.group_counts import DELTAS, GROUPS

FOLDED_AT_ONCE = 20_000
MAX_NEW = 1000
"""The number of groups that a source can make in an hour. Its further new errors are counted in one group."""

HOUR = timedelta(hours=1)
EVENTS_KEPT = timedelta(days=30)
WAIT_MS = 500
IDS_AT_ONCE = 400
EVERY_S = 1.0
logger = logging.getLogger(__name__)
UPDATED = ["level", "state", "first_seen", "last_seen", "count", "pruned", "users", "releases"]


def fold(*, wait: bool = False) -> int:
    """Add up the appended counts, and return their number; 0 if there are none, or if another process is folding.

    With `wait`, wait up to half a second for the fold of another process to end. Raises `DatabaseError`.
    """
    connection = connections[conf().DATABASE]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {DELTAS})")
        if not cursor.fetchone()[0]:
            return 0
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if not lock(cursor, wait=wait):
            return 0
        deltas = list(GroupDelta.objects.using(connection.alias).order_by("id")[:FOLDED_AT_ONCE])
        _delete(cursor, deltas)
        _Fold(cursor, deltas).run()
    return len(deltas)


def fold_all(*, wait: bool = False) -> None:
    """Add up all counts that were appended until now."""
    while fold(wait=wait) == FOLDED_AT_ONCE:
        pass


def catch_up() -> None:
    """Add up the appended counts, so that an answer includes them. Errors of the database are logged, not raised."""
    try:
        fold_all(wait=True)
    except Error as error:  # such as that of a standby, which is read-only
        logger.debug("The newest counts are not in this answer.", extra={"error": type(error).__name__})


def lock(cursor: CursorWrapper, *, wait: bool) -> bool:
    """Take the lock of the groups until the transaction ends. Return False if another process holds it."""
    if cursor.db.vendor != "postgresql":
        cursor.execute(f"UPDATE {GROUPS} SET count = count WHERE 0")  # SQLite has one writer at a time
        return True
    cursor.execute(TRY_LOCK_SQL, [GROUPS_LOCK])
    if cursor.fetchone()[0]:
        return True
    if wait:
        with suppress(OperationalError), transaction.atomic(using=cursor.db.alias):
            cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_MS}ms'")
            cursor.execute(LOCK_SQL, [GROUPS_LOCK])
            return True
    return False


class _Fold:
    """One fold, in the caller's transaction."""

    def __init__(self, cursor: CursorWrapper, deltas: Sequence[GroupDelta]) -> None:
        self._cursor = cursor
        self._alias = cursor.db.alias
        self._now = timezone.now()
        self._sums: dict[str, Sum] = {}
        for delta in deltas:
            self._sums.setdefault(delta.group_id, Sum(delta)).add(delta)
        self._groups = self._read(self._sums)
        self._others = {
            group.source: group
            for group in Group.objects.using(self._alias).filter(kind=Kind.OTHER).select_for_update()
        }
        self._made: Counter[str] = Counter()
        """The number of groups that each source has made within the last hour. Filled when it is first needed."""
        self._events: list[GroupEvent] = []
        self._changed: dict[str, Group] = {}

    def run(self) -> None:
        for group_id, summed in self._sums.items():
            group = self._groups.get(group_id)
            if group is None:
                self._forget_uncounted(summed)
                group = self._make(group_id, summed) if summed.added else None
                if group is None:
                    self._add_to_others(summed)
            else:
                self._add(group, summed)
        Group.objects.using(self._alias).bulk_update(self._changed.values(), UPDATED, batch_size=100)
        if self._events:
            events = GroupEvent.objects.using(self._alias)
            events.filter(at__lt=self._now - EVENTS_KEPT).delete()
            events.bulk_create(self._events)

    def _forget_uncounted(self, summed: Sum) -> None:
        """Ignore removed records that no group has counted; `manage.py flush` on SQLite leaves such counts."""
        for source in list(summed.unmatched):
            if source not in self._others:
                summed.removed[source] -= summed.unmatched[source]

    def _read(self, ids: Iterable[str]) -> dict[str, Group]:
        wanted = sorted(ids)
        found: dict[str, Group] = {}
        for start in range(0, len(wanted), IDS_AT_ONCE):
            some = Group.objects.using(self._alias).filter(id__in=wanted[start : start + IDS_AT_ONCE]).order_by("id")
            found |= {group.id: group for group in some.select_for_update()}
        return found

    def _make(self, group_id: str, summed: Sum) -> Group | None:
        """Create a group, or return None if the source has made too many."""
        source = summed.first.source
        if self._made_by(source) >= MAX_NEW:
            self._other_of(source)
            return None
        self._made[source] += 1
        group = self._create(group_id, source, *self._described(summed.first))
        if self._others and (earlier := self._earlier(group_id, summed)):
            self._take(group, earlier)
        self._add(group, summed)
        return group

    def _described(self, delta: GroupDelta) -> tuple[str, str, str]:
        """Return kind, title and category of a new group. Counts of a trigger lack them, so they come from a record."""
        if delta.kind and delta.title is not None and delta.category is not None:
            return delta.kind, delta.title, delta.category
        records = SystemLog.objects.using(self._alias).filter(group=delta.group_id).order_by("timestamp")
        record = records.values_list("category", "message", "context").first()
        if record is None:  # it was deleted in the meantime
            return Kind.MESSAGE, delta.group_id, ""
        identity = identify(record[0], record[1], record[2] if isinstance(record[2], dict) else {})
        return identity.kind, identity.title, record[0]

    def _create(self, group_id: str, source: str, kind: str, title: str, category: str) -> Group:
        group = Group.objects.using(self._alias).create(
            id=group_id,
            kind=kind,
            title=title or group_id,
            category=category,
            source=source,
            level="ERROR",
            algorithm=ALGORITHM,
            created_at=self._now,
        )
        self._groups[group_id] = group
        self._tell(group, GroupEvent.Kind.NEW)
        return group

    def _made_by(self, source: str) -> int:
        if source not in self._made:
            groups = Group.objects.using(self._alias).filter(source=source, created_at__gt=self._now - HOUR)
            self._made[source] = groups.exclude(kind=Kind.OTHER).count()
        return self._made[source]

    def _other_of(self, source: str) -> Group:
        if source not in self._others:
            title = f"other errors of {source}" if source else "other errors"
            self._others[source] = self._create(id_of_other(source), source, Kind.OTHER, title, "")
        return self._others[source]

    def _add_to_others(self, summed: Sum) -> None:
        for source in summed.added | summed.removed:
            if summed.added[source] or source in self._others:
                self._add(self._other_of(source), summed, source)

    def _earlier(self, group_id: str, summed: Sum) -> Stats | None:
        """Return the numbers of the group's records that groups of other errors counted before this group existed."""
        stats = recount(self._cursor, group_id)
        for source in list(stats.by_source):
            stats.by_source[source] -= summed.added[source] - summed.removed[source]
        stats.by_source = +stats.by_source
        return stats if stats.by_source else None

    def _take(self, group: Group, earlier: Stats) -> None:
        """Move the counts of such earlier records from the groups of other errors to the group."""
        for source, count in earlier.by_source.items():
            if other := self._others.get(source):
                other.count -= count
                group.count += count
                self._changed[other.id] = other
        group.first_seen, group.last_seen = earlier.first_seen, earlier.last_seen
        for release in earlier.releases:
            group.releases = with_release(group.releases, release)
        add_users(self._cursor, group, earlier.users)

    def _add(self, group: Group, summed: Sum, source: str | None = None) -> None:
        """Add the counts of all sources, or of one, to a group. A resolved group whose error came back is regressed."""
        added = summed.added.total() if source is None else summed.added[source]
        removed = summed.removed.total() if source is None else summed.removed[source]
        group.count += added - removed
        group.pruned += removed
        self._changed[group.id] = group
        if not added or summed.first_seen is None or summed.last_seen is None:
            return
        if group.state == State.RESOLVED and self._comes_back(group, summed):
            group.state = State.REGRESSED
            self._tell(group, GroupEvent.Kind.REGRESSED)
        group.first_seen = min(summed.first_seen, group.first_seen or summed.first_seen)
        group.last_seen = max(summed.last_seen, group.last_seen or summed.last_seen)
        group.level = "CRITICAL" if summed.critical else group.level
        if self._events and self._events[-1].group_id == group.id:
            self._events[-1].level = group.level
        for release in summed.releases:
            group.releases = with_release(group.releases, release)
        add_users(self._cursor, group, summed.users)

    @staticmethod
    def _comes_back(group: Group, summed: Sum) -> bool:
        """Whether a record of a release with the correction was logged after the group was resolved."""
        return any(
            group.resolved_at is not None
            and last_seen > group.resolved_at
            and not is_older(release, group.resolved_in, group.releases)
            for release, last_seen in summed.releases.items()
        )

    def _tell(self, group: Group, kind: GroupEvent.Kind) -> None:
        self._events.append(
            GroupEvent(
                group_id=group.id,
                kind=kind,
                at=self._now,
                level=group.level,
                category=group.category,
                source=group.source,
            )
        )


def _delete(cursor: CursorWrapper, deltas: Sequence[Any]) -> None:
    if not deltas:
        return
    if cursor.db.vendor == "postgresql":  # a row with a lower id may be committed later
        cursor.execute(f"DELETE FROM {DELTAS} WHERE id = ANY(%s)", [[delta.id for delta in deltas]])
    else:
        cursor.execute(f"DELETE FROM {DELTAS} WHERE id <= %s", [deltas[-1].id])
