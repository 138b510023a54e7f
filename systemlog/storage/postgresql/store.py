"""The log table on PostgreSQL: partitioned by time, written by COPY."""

from __future__ import annotations

from systemlog.storage import rollup
from systemlog.storage.postgresql.reading import ReadingStorage
from systemlog.storage.postgresql.retention import RetentionStorage
from systemlog.storage.postgresql.tailing import TailingStorage


class PostgreSQLStorage(RetentionStorage, ReadingStorage, TailingStorage):
    """The log table on PostgreSQL."""

    def compact_rollup(self) -> int:
        """Sum up the appended rows by one statement, which blocks no writer."""
        return rollup.compact(self.connection)
