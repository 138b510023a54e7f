"""Distributes the tables over the nodes of a Citus cluster, if `SYSTEMLOG["CITUS"]` is on.

The command `distribute_system_logs` does the same for an existing log, and brings it back.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.conf import conf
from systemlog.storage.postgresql import citus


def distribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Distribute the log table and the roll-up, with their rows."""
    if conf().CITUS and schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        with schema_editor.connection.cursor() as cursor:
            citus.distribute(cursor)


def undistribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Bring both tables back to the coordinator, with their rows."""
    if schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        citus.undistribute(schema_editor, apps.get_model("systemlog", "SystemLogRollup"))


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0001_initial")]

    operations = [migrations.RunPython(distribute, undistribute)]
