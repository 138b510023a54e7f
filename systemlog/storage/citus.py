"""The log table on a Citus cluster: distributed by `id`, so that each leaf is as many shards, on as many nodes.

Clients talk to the coordinator alone. Statements on the table are PostgreSQL's own; what a cluster knows not, or does
otherwise, stands here.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from systemlog.storage.leaves import read_leaves
from systemlog.storage.postgresql import UNIQUE_VIOLATION, PostgreSQLStorage
from systemlog.storage.rows import TABLE, Row
from systemlog.storage.spans import Span

DISTRIBUTED_BY = {TABLE: "id"}
"""The tables that are distributed, and by which column."""

EXTENSION_SQL = "SELECT count(*) FROM pg_extension WHERE extname = 'citus'"
IS_DISTRIBUTED_SQL = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = to_regclass(%s)"

INTERNAL_ERROR = "XX000"
DEADLOCK_DETECTED = "40P01"
DEADLOCK_TRIES = 5


class CitusStorage(PostgreSQLStorage):
    """The partitioned table, distributed."""

    # What a worker refuses while it takes a COPY comes back without its own code. The staging table gives that.
    DUPLICATES = (UNIQUE_VIOLATION, INTERNAL_ERROR)

    def insert(self, rows: Sequence[Row]) -> int:
        """As on one PostgreSQL.

        Two writers of the same keys may deadlock here, whatever their order: each waits for the other on another
        node. Citus cancels one of them after some seconds, which then writes once more.
        """
        for attempt in range(1, DEADLOCK_TRIES + 1):
            try:
                return super().insert(rows)
            except OperationalError as error:
                deadlock = getattr(error.__cause__, "sqlstate", None) == DEADLOCK_DETECTED
                if not deadlock or attempt == DEADLOCK_TRIES or self.connection.in_atomic_block:
                    raise
        raise AssertionError("unreachable")

    def spans(self) -> list[Span]:
        """All leaves: which of them hold a row, only the workers know."""
        with self.connection.cursor() as cursor:
            return [leaf.span for leaf in read_leaves(cursor)]


def is_distributed(cursor: CursorWrapper) -> bool | None:
    """Whether the log table is distributed; None if there is no such table."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
    if not cursor.fetchone()[0]:
        return None
    return _has_extension(cursor) and _is_distributed(cursor, TABLE)


def distribute(cursor: CursorWrapper) -> None:
    """Distribute the tables over the nodes of the cluster, with the rows that they have; call it in a transaction.

    Writers wait until it is done. Raises `ImproperlyConfigured` where the database has no Citus.
    """
    if not _has_extension(cursor):
        raise ImproperlyConfigured(
            "SYSTEMLOG['CITUS'] is on, but the log's database does not have the extension citus: create it on each "
            "node, and add the workers (docs/scale.md says how), or turn CITUS off."
        )
    # Citus takes no trigger unless it is told that somebody has thought about it: the guard against changes reads
    # and writes nothing, so that no node can see another's transaction half done.
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    for table, column in DISTRIBUTED_BY.items():
        if not _is_distributed(cursor, table):
            cursor.execute("SELECT create_distributed_table(%s, %s)", [table, column])
            # The rows were copied to the workers; the coordinator's own would stay on its disk.
            cursor.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])


def undistribute(cursor: CursorWrapper) -> None:
    """Bring the tables back to the coordinator, with their rows; call it in a transaction."""
    if not _has_extension(cursor):
        return
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    for table in DISTRIBUTED_BY:
        if _is_distributed(cursor, table):
            cursor.execute("SELECT undistribute_table(%s)", [table])


def _has_extension(cursor: CursorWrapper) -> bool:
    cursor.execute(EXTENSION_SQL)
    return bool(cursor.fetchone()[0])


def _is_distributed(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(IS_DISTRIBUTED_SQL, [table])
    return bool(cursor.fetchone()[0])
