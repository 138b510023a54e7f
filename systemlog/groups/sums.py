"""Adding up the counts that writers appended for one group, in memory."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from systemlog.models import GroupDelta


class Sum:
    """The sum of the counts of one group in one fold."""

    def __init__(self, first: GroupDelta) -> None:
        self.first = first
        self.added: Counter[str] = Counter()
        """Records that were stored, by source."""
        self.removed: Counter[str] = Counter()
        self.unmatched: Counter[str] = Counter()
        """The part of `removed` whose records this fold has not added: an earlier fold did, or none."""
        self.first_seen: datetime | None = None
        self.last_seen: datetime | None = None
        self.releases: dict[str | None, datetime] = {}
        """The time of the newest record of each release, in the order in which the releases were first counted."""
        self.critical = False
        self.users: set[str] = set()

    def add(self, delta: GroupDelta) -> None:
        """Add one row of counts. A negative count is one of deleted records."""
        if delta.count < 0:
            here = max(0, self.added[delta.source] + self.unmatched[delta.source] - self.removed[delta.source])
            self.removed[delta.source] -= delta.count
            self.unmatched[delta.source] += max(0, -delta.count - here)
            return
        self.added[delta.source] += delta.count
        self.first = self.first if self.first.count > 0 else delta
        if delta.first_seen is None or delta.last_seen is None:
            return
        self.first_seen = min(delta.first_seen, self.first_seen or delta.first_seen)
        self.last_seen = max(delta.last_seen, self.last_seen or delta.last_seen)
        self.releases[delta.release] = max(delta.last_seen, self.releases.get(delta.release, delta.last_seen))
        self.critical = self.critical or delta.level == "CRITICAL"
        self.users.update(user for user in delta.users or () if isinstance(user, str))
