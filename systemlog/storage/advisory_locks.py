"""Advisory locks of PostgreSQL, by name. A transaction holds its locks until it ends."""

from __future__ import annotations

LOCK_SQL = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
TRY_LOCK_SQL = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"

PARTITIONS_LOCK = "systemlog.partitions"
"""Held while a partition is created or detached."""

RETENTION_LOCK = "systemlog.retention"
"""Held by the process that prunes, archives or maintains partitions."""

ROLLUP_LOCK = "systemlog.rollup"
"""Held while the roll-up is compacted or recounted."""

DIGESTS_LOCK = "systemlog.digests"
"""Held by the process that appends digests: it seals, prunes or accepts."""

GROUPS_LOCK = "systemlog.groups"
"""Held while the counts of error groups are added up, or counted anew."""
