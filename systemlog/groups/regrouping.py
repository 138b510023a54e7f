"""Regrouping: determining the groups of all records again, and recounting them. It changes only wrong values.

Each record gets the group that today's rules determine. If the rules have changed, the old group of the records becomes
an alias of the new group, which takes over its state and assignee. Groups are never deleted, so a group stays when
retention removes its last record. After an interruption, the next run completes the work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from systemlog.conf import conf
from systemlog.fingerprints.records import ALGORITHM, GRAVE, Identity, id_of_other, identify
from systemlog.groups.folding import MAX_NEW, fold_all, lock
from systemlog.groups.recounting import recount
from systemlog.groups.releases import completed
from systemlog.groups.succession import succeed
from systemlog.groups.users import add_users, users_of
from systemlog.models import Group, SystemLog
from systemlog.models.groups import Kind
from systemlog.records.row import TABLE
from systemlog.storage import get_storage
from systemlog.storage.group_counts import DELTAS, GROUP

RECORDS_AT_ONCE = 2000
COUNTED = ["level", "first_seen", "last_seen", "count", "users", "releases"]

# One statement, so that one snapshot has both a record and its appended count.
COUNT_SQL = f"""
    SELECT group_id, source, sum(number) FROM (
        SELECT {GROUP} AS group_id, source, count(*) AS number FROM {TABLE} WHERE {GROUP} IS NOT NULL GROUP BY 1, 2
        UNION ALL SELECT group_id, source, -sum(count) FROM {DELTAS} GROUP BY 1, 2
    ) counted GROUP BY 1, 2
"""


@dataclass(slots=True)
class Outcome:
    """The numbers of changes of a run."""

    records: int = 0
    """Records whose group was changed."""

    made: int = 0
    mended: int = 0
    """Groups whose numbers were corrected."""


def regroup(*, progress: Callable[[str], None] = lambda doing: None) -> Outcome:
    """Regroup all records, and recount all groups. Raises `PartitionInUse` and `DatabaseError`."""
    outcome = Outcome()
    storage = get_storage()
    with storage.exclusive(lambda: progress("waiting for another run to end")):
        progress("reading records")
        for batch in _batches(storage.connection.alias):
            outcome.records += _regroup_batch(storage.connection.alias, batch)
        fold_all(wait=True)
        progress("counting groups")
        _recount_all(outcome)
    return outcome


def _batches(alias: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the records of level ERROR and above in the order of their keys."""
    columns = ("timestamp", "id", "category", "message", "context", "group")
    after: tuple[Any, Any] | None = None
    while True:
        records = SystemLog.objects.using(alias).filter(level__in=GRAVE).order_by("timestamp", "id")
        if after is not None:
            at, key = after
            records = records.filter(timestamp__gte=at).filter(Q(timestamp__gt=at) | Q(id__gt=key))
        batch = list(records.values_list(*columns)[:RECORDS_AT_ONCE])
        if not batch:
            return
        yield batch
        after = batch[-1][0], batch[-1][1]


def _regroup_batch(alias: str, batch: Sequence[tuple[Any, ...]]) -> int:
    """Give the records of a batch the groups of today's rules. Return the number of records that changed."""
    wrong: list[tuple[Identity, Any, Any]] = []
    successors: dict[tuple[str, str], tuple[Identity, str]] = {}
    for timestamp, record_id, category, message, context, before in batch:
        identity = identify(category, message, context if isinstance(context, dict) else {})
        if identity.id != before:
            wrong.append((identity, timestamp, record_id))
            if before is not None:
                successors.setdefault((before, identity.id), (identity, category))
    if not wrong:
        return 0
    connection = connections[alias]
    adapt = connection.ops.adapt_datetimefield_value
    native = connection.features.has_native_uuid_field
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        lock(cursor, wait=True)
        cursor.executemany(
            f"UPDATE {TABLE} SET {GROUP} = %s WHERE timestamp = %s AND id = %s",
            [(identity.id, adapt(at), key if native else key.hex) for identity, at, key in wrong],
        )
        for (before, _), (identity, category) in successors.items():
            succeed(cursor, before, identity, category)
    return len(wrong)


def _recount_all(outcome: Outcome) -> None:
    connection = connections[conf().DATABASE]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        lock(cursor, wait=True)
        cursor.execute(COUNT_SQL)
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        for group_id, source, number in cursor.fetchall():
            counted[group_id][source] += int(number)
        groups = {group.id: group for group in Group.objects.using(connection.alias).select_for_update()}
        by_source = {group.source: group for group in groups.values() if group.kind == Kind.OTHER}
        others: Counter[str] = Counter()
        for group_id in sorted(counted.keys() - groups.keys()):
            for source, number in counted[group_id].items():
                if source in by_source:
                    others[source] += number
        missing = [
            group_id
            for group_id in counted.keys() - groups.keys()
            if any(number > 0 and source not in by_source for source, number in counted[group_id].items())
        ]
        _make_missing(cursor, missing, counted, groups, by_source, others, outcome)
        for group in list(groups.values()):
            if group.kind == Kind.OTHER:
                _mend_count(cursor, group, others[group.source], outcome)
            elif group.alias_of is not None:
                _mend_count(cursor, group, 0, outcome)
            else:
                _mend(cursor, group, counted.get(group.id, Counter()).total(), outcome)


def _make_missing(
    cursor: CursorWrapper,
    missing: Sequence[str],
    counted: dict[str, Counter[str]],
    groups: dict[str, Group],
    by_source: dict[str, Group],
    others: Counter[str],
    outcome: Outcome,
) -> None:
    """Create the groups that records name, up to `MAX_NEW` for each source. The rest goes to groups of other errors."""
    alias = cursor.db.alias
    made: Counter[str] = Counter()
    for group_id in _by_first_record(alias, missing):
        source, category, message, context = group_id[1:]
        if made[source] >= MAX_NEW:
            if source not in by_source:
                by_source[source] = groups[id_of_other(source)] = _new_group(
                    alias, Identity(id_of_other(source), Kind.OTHER, f"other errors of {source}".strip()), "", source
                )
                outcome.made += 1
            for each, number in counted[group_id[0]].items():
                others[each] += number
            continue
        made[source] += 1
        identity = identify(category, message, context if isinstance(context, dict) else {})
        groups[group_id[0]] = _new_group(alias, identity._replace(id=group_id[0]), category, source)
        outcome.made += 1
        for each, number in counted[group_id[0]].items():
            if each in by_source:
                others[each] -= number


def _by_first_record(alias: str, ids: Sequence[str]) -> list[tuple[str, str, str, str, Any]]:
    """Return id, source, category, message and context of the first record of each group, in the order of time."""
    found = []
    for group_id in ids:
        records = SystemLog.objects.using(alias).filter(group=group_id).order_by("timestamp", "id")
        first = records.values_list("timestamp", "source", "category", "message", "context").first()
        if first is not None:
            found.append((first[0], (group_id, *first[1:])))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _new_group(alias: str, identity: Identity, category: str, source: str) -> Group:
    return Group.objects.using(alias).create(
        id=identity.id,
        kind=identity.kind,
        title=identity.title or identity.id,
        category=category,
        source=source,
        level="ERROR",
        algorithm=ALGORITHM,
        created_at=timezone.now(),
    )


def _mend(cursor: CursorWrapper, group: Group, count: int, outcome: Outcome) -> None:
    """Correct the numbers of a group. If retention has removed records of it, its times only widen."""
    stats = recount(cursor, group.id)
    before = {name: getattr(group, name) for name in COUNTED}
    keeps = group.pruned > 0
    group.count = count
    group.first_seen = _extreme(min, group.first_seen if keeps else None, stats.first_seen) or group.first_seen
    group.last_seen = _extreme(max, group.last_seen if keeps else None, stats.last_seen) or group.last_seen
    group.level = "CRITICAL" if stats.critical or (keeps and group.level == "CRITICAL") else "ERROR"
    group.releases = completed(group.releases, stats.releases, keeps=keeps)
    group.users = users_of(cursor, group)
    add_users(cursor, group, stats.users)
    if before != {name: getattr(group, name) for name in COUNTED}:
        group.save(using=cursor.db.alias, update_fields=COUNTED)
        outcome.mended += before["last_seen"] is not None  # otherwise the group was created just now


def _mend_count(cursor: CursorWrapper, group: Group, count: int, outcome: Outcome) -> None:
    if group.count != count:
        group.count = count
        group.save(using=cursor.db.alias, update_fields=["count"])
        outcome.mended += 1


def _extreme(choose: Callable[..., datetime], *instants: datetime | None) -> datetime | None:
    return choose(filter(None, instants), default=None)
