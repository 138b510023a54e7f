"""Distributes the log over a Citus cluster, where `SYSTEMLOG["CITUS"]` says that there is one."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.conf import conf
from systemlog.storage.postgresql import citus
from systemlog.storage.rollup import TRIGGERS_POSTGRESQL


def distribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if conf().CITUS and schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        with schema_editor.connection.cursor() as cursor:
            citus.distribute(cursor)


def undistribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
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
    dependencies = [("systemlog", "0003_rollup_filled")]

    operations = [migrations.RunPython(distribute, undistribute)]
