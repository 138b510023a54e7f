"""The index that finds the records of an error group, built beside writers, and the functions that use it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.storage.operations import VendorSQL
from systemlog.storage.postgresql import citus, migrating
from systemlog.storage.postgresql.lookup_functions import CREATE_SQL, DROP_SQL

NAME = "system_logs_group"
DEFINITION = "(group_id, timestamp) WHERE group_id IS NOT NULL"


def build(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Build the index, on PostgreSQL one partition after the other."""
    if schema_editor.connection.vendor == "postgresql":
        if schema_editor.collect_sql:
            schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON system_logs {DEFINITION}", params=None)
            return
        with schema_editor.connection.cursor() as cursor:
            if schema_editor.connection.in_atomic_block or citus.is_distributed(cursor):
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON system_logs {DEFINITION}")
            else:
                migrating.build_index(cursor, NAME, DEFINITION)
    else:
        schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON system_logs {DEFINITION}", params=None)


def drop(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the index."""
    schema_editor.execute(f"DROP INDEX IF EXISTS {NAME}", params=None)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("systemlog", "0009_groups")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(build, drop)],
            state_operations=[
                migrations.AddIndex(
                    model_name="systemlog",
                    index=models.Index(
                        condition=models.Q(("group__isnull", False)),
                        fields=["group", "timestamp"],
                        name="system_logs_group",
                    ),
                )
            ],
        ),
        VendorSQL("postgresql", [f"{DROP_SQL[0]}; {CREATE_SQL[0]}", f"{DROP_SQL[1]}; {CREATE_SQL[1]}"]),
    ]
