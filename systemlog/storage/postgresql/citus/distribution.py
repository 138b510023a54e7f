"""Distributing the tables over the nodes of a Citus cluster, and bringing them back."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import TABLE
from systemlog.storage import rollup
from systemlog.storage.rollup import ROLLUP

DISTRIBUTED_BY: Mapping[str, str | None] = {TABLE: "id", ROLLUP: None}
"""The distributed tables and their distribution column. None means a single shard."""

EXTENSION_SQL = "SELECT count(*) FROM pg_extension WHERE extname = 'citus'"

IS_DISTRIBUTED_SQL = "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = to_regclass(%s)"


def is_distributed(cursor: CursorWrapper) -> bool | None:
    """Whether the log table is distributed, or None if the table does not exist."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
    if not cursor.fetchone()[0]:
        return None
    return _has_extension(cursor) and _is_distributed(cursor, TABLE)


def distribute(cursor: CursorWrapper) -> None:
    """Distribute the tables with their rows over the nodes of the cluster. Call it in a transaction.

    Writers wait until it is done. Raises `ImproperlyConfigured` if the database does not have the extension citus.
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
    # Citus refuses tables with triggers unless this setting is on. The remaining trigger, the guard against changes, is
    # safe, because it reads and writes no table.
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    for table, column in DISTRIBUTED_BY.items():
        cursor.execute("SELECT create_distributed_table(%s, %s)", [table, column])
        # The rows were copied to the workers. Without this call, the coordinator would keep its copy on disk.
        cursor.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])


def undistribute(cursor: CursorWrapper) -> bool:
    """Bring the log table with its rows back to the coordinator. Call it in a transaction.

    Return whether the table was distributed. The caller must recreate the roll-up, which Citus cannot bring back
    because its key is an identity column, and the roll-up's triggers.
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
