"""Counting the records of a group in the log itself, less the records whose counts are not added up yet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.models import Max, Min

from systemlog.models import SystemLog
from systemlog.records.fields import MAX_TEXT_CHARACTERS
from systemlog.records.row import TABLE
from systemlog.storage.group_counts import DELTAS, GROUP, MAX_USERS

# One statement, so that one snapshot has both a record and its appended count.
COUNT_SQL = f"""
    SELECT source, sum(number) FROM (
        SELECT source, count(*) AS number FROM {TABLE} WHERE {GROUP} = %s GROUP BY source
        UNION ALL SELECT source, -sum(count) FROM {DELTAS} WHERE group_id = %s GROUP BY source
    ) counted GROUP BY source
"""

RELEASES_SQL = {
    "postgresql": f"""
        SELECT context->>'release', max(timestamp) FROM {TABLE}
        WHERE {GROUP} = %s AND jsonb_typeof(context->'release') IN ('string', 'number') GROUP BY 1 ORDER BY 2
    """,
    "sqlite": f"""
        SELECT json_extract(context, '$.release'), max(timestamp) FROM {TABLE}
        WHERE {GROUP} = %s AND json_type(context, '$.release') IN ('text', 'integer', 'real')
        GROUP BY 1 ORDER BY 2
    """,
}


@dataclass(slots=True)
class Stats:
    """The numbers of a group, computed from its records."""

    by_source: Counter[str] = field(default_factory=Counter)
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    critical: bool = False
    users: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)


def recount(cursor: CursorWrapper, group_id: str) -> Stats:
    """Count the records of a group by source, without the records whose counts are not added up yet.

    The other numbers of the result are those of all records of the group.
    """
    cursor.execute(COUNT_SQL, [group_id, group_id])
    stats = Stats(Counter({source: int(number) for source, number in cursor.fetchall()}))
    records = SystemLog.objects.using(cursor.db.alias).filter(group=group_id).order_by()
    seen: dict[str, Any] = records.aggregate(first=Min("timestamp"), last=Max("timestamp"))
    stats.first_seen, stats.last_seen = seen["first"], seen["last"]
    stats.critical = records.filter(level="CRITICAL").exists()
    users = records.filter(user_id__isnull=False).values_list("user_id", flat=True).distinct()
    stats.users = [user for user in users[: MAX_USERS + 1] if user is not None]
    stats.releases = _releases_of(cursor, group_id)
    return stats


def _releases_of(cursor: CursorWrapper, group_id: str) -> list[str]:
    """Return the releases of a group's records in the order in which they were last seen."""
    cursor.execute(RELEASES_SQL[cursor.db.vendor], [group_id])
    return [str(release)[:MAX_TEXT_CHARACTERS] for release, _ in cursor.fetchall()]
