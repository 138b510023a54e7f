"""Distributes the log over a Citus cluster, where `SYSTEMLOG["CITUS"]` says that there is one."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.conf import conf
from systemlog.storage import citus


def distribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if conf().CITUS and schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        with schema_editor.connection.cursor() as cursor:
            citus.distribute(cursor)


def undistribute(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        with schema_editor.connection.cursor() as cursor:
            citus.undistribute(cursor)


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0001_initial")]

    operations = [migrations.RunPython(distribute, undistribute)]
