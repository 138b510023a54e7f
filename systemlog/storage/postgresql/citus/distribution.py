"""Distributing the tables over the nodes of a Citus cluster, and bringing them back."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import TABLE
from systemlog.storage import rollup
from systemlog.storage.rollup import ROLLUP

DISTRIBUTED_BY: Mapping[str, str | None] = {TABLE: "id", ROLLUP: None}
"""The tables that are distributed, and by which column; None: as one shard."""

EXTENSION_SQL = "SELECT count(*) FROM pg_extension WHERE extname = 'citus'"

IS_DISTRIBUTED_SQL = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = to_regclass(%s)"


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
    if _is_distributed(cursor, TABLE):
        return
    for trigger in rollup.TRIGGERS:
        cursor.execute(f"DROP TRIGGER {trigger} ON {TABLE}")
    # Citus takes no trigger unless it is told that somebody has thought about it: the guard against changes reads
    # and writes nothing, so that no node can see another's transaction half done.
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    for table, column in DISTRIBUTED_BY.items():
        cursor.execute("SELECT create_distributed_table(%s, %s)", [table, column])
        # The rows were copied to the workers; the coordinator's own would stay on its disk.
        cursor.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])


def undistribute(cursor: CursorWrapper) -> bool:
    """Bring the log table back to the coordinator, with its rows, if it is distributed; call it in a transaction.

    Gives whether it was. Citus does not bring the roll-up back, whose key is an identity column, and the triggers that
    keep it are not made.
    """
    if not _has_extension(cursor) or not _is_distributed(cursor, TABLE):
        return False
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    cursor.execute("SELECT undistribute_table(%s)", [TABLE])
    return True


def _has_extension(cursor: CursorWrapper) -> bool:
    cursor.execute(EXTENSION_SQL)
    return bool(cursor.fetchone()[0])


def _is_distributed(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(IS_DISTRIBUTED_SQL, [table])
    return bool(cursor.fetchone()[0])
