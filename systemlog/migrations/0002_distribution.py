"""Distributes the tables over the nodes of a Citus cluster, if `SYSTEMLOG["CITUS"]` is on.

The migration is separate so that an existing log can be distributed, and brought back, by migrating to and fro.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.conf import conf
from systemlog.storage.postgresql import citus
from systemlog.storage.rollup import TRIGGERS_POSTGRESQL


def distribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Distribute the log table and the roll-up, with their rows."""
    if conf().CITUS and schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        with schema_editor.connection.cursor() as cursor:
            citus.distribute(cursor)


def undistribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Bring both tables back to the coordinator, with their rows, and create the triggers of the roll-up again."""
    if schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        connection = schema_editor.connection
        rollup = apps.get_model("systemlog", "SystemLogRollup")
        with connection.cursor() as cursor:
            if citus.undistribute(cursor):
                counted = list(rollup.objects.using(connection.alias))
                schema_editor.delete_model(rollup)
                schema_editor.create_model(rollup)
                rollup.objects.using(connection.alias).bulk_create(counted)
                cursor.execute(TRIGGERS_POSTGRESQL)


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0001_initial")]

    operations = [migrations.RunPython(distribute, undistribute)]
