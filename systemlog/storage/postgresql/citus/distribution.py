"""Distributing the tables over the nodes of a Citus cluster, and bringing them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import CursorWrapper

from systemlog.records.row import TABLE
from systemlog.storage import group_counts, rollup
from systemlog.storage.postgresql import lookup_functions, notes
from systemlog.storage.rollup import ROLLUP

DISTRIBUTED_BY: Mapping[str, str | None] = {TABLE: "id", ROLLUP: None}
"""The distributed tables and their distribution column. None means a single shard."""

FUNCTIONS: list[tuple[str, Sequence[str], Sequence[str]]] = [
    (lookup_functions.RECORDS, lookup_functions.DROP_SQL, lookup_functions.CREATE_SQL),
    (notes.RECORDS_AT, [notes.DROP_LOOKUP_SQL], [notes.CREATE_LOOKUP_SQL]),
]
"""The functions that depend on the log table: one of each kind, and the statements that drop and create that kind."""

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
    for trigger in (*rollup.TRIGGERS, group_counts.TRIGGER):
        cursor.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {TABLE}")
    # Citus refuses tables with triggers unless this setting is on. The remaining trigger, the guard against changes, is
    # safe, because it reads and writes no table.
    cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    for table, column in DISTRIBUTED_BY.items():
        cursor.execute("SELECT create_distributed_table(%s, %s)", [table, column])
        # The rows were copied to the workers. Without this call, the coordinator would keep its copy on disk.
        cursor.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])


def undistribute(schema_editor: BaseDatabaseSchemaEditor, rollup_model: type[models.Model]) -> None:
    """Bring the tables with their rows back to the coordinator, if they are distributed.

    Citus replaces the log table, so the lookup functions that depend on it are created again. The roll-up is created
    again too, because Citus cannot bring back a table whose key is an identity column; so are its triggers.
    """
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if not is_distributed(cursor):
            return
        functions = [each for each in FUNCTIONS if _exists(cursor, each[0])]
        for _, dropping, _ in functions:
            for statement in dropping:
                cursor.execute(statement)
        cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
        cursor.execute("SELECT undistribute_table(%s)", [TABLE])
        for _, _, creating in functions:
            for statement in creating:
                cursor.execute(statement)
        counted = list(rollup_model._base_manager.using(connection.alias))
        schema_editor.delete_model(rollup_model)
        schema_editor.create_model(rollup_model)
        rollup_model._base_manager.using(connection.alias).bulk_create(counted)
        cursor.execute(rollup.TRIGGERS_POSTGRESQL)
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [group_counts.DELTAS])
        if cursor.fetchone()[0]:  # migrations before that of the error groups are undone in the same way
            cursor.execute(group_counts.TRIGGER_POSTGRESQL)


def _exists(cursor: CursorWrapper, function: str) -> bool:
    cursor.execute("SELECT to_regproc(%s) IS NOT NULL", [function])
    return bool(cursor.fetchone()[0])


def _has_extension(cursor: CursorWrapper) -> bool:
    cursor.execute(EXTENSION_SQL)
    return bool(cursor.fetchone()[0])


def _is_distributed(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute(IS_DISTRIBUTED_SQL, [table])
    return bool(cursor.fetchone()[0])
