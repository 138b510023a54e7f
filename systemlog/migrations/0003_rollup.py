"""The roll-up and the triggers that keep it; `0003_rollup_filled` counts what was there before."""

from __future__ import annotations

import time
from typing import Any

from django.db import OperationalError, migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.storage.operations import VendorSQL
from systemlog.storage.rollup import (
    COUNT_SQLITE,
    DROP_TRIGGERS_POSTGRESQL,
    FUNCTION_POSTGRESQL,
    TRIGGERS_POSTGRESQL,
    UNCOUNT_SQLITE,
)

TRIES = 600
PAUSE_S = 0.1


def count_from_now_on(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers on PostgreSQL, under a lock that every insert waits for: it is asked for again and again, so
    that none waits longer than 50 ms.
    """
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    if schema_editor.collect_sql:
        schema_editor.execute(TRIGGERS_POSTGRESQL, params=None)
        return
    for attempt in range(TRIES):
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '50ms'")
                cursor.execute(TRIGGERS_POSTGRESQL)
                cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
                return
        except OperationalError:
            if attempt == TRIES - 1:
                raise
            time.sleep(PAUSE_S)


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0002_checkpoint")]

    operations = [
        migrations.CreateModel(
            name="SystemLogRollup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField()),
                ("source", models.TextField()),
                ("category", models.TextField()),
                ("level", models.TextField()),
                ("count", models.BigIntegerField()),
                ("delta", models.BooleanField(db_default=True, default=True)),
            ],
            options={
                "verbose_name": "hour of the system log",
                "db_table": "system_log_rollup",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["hour"], name="system_log_rollup_hour"),
                    models.Index(fields=["level", "hour", "category", "source"], name="system_log_rollup_level"),
                    models.Index(fields=["category", "hour"], name="system_log_rollup_category"),
                    models.Index(
                        condition=models.Q(("level__in", ["WARNING", "ERROR", "CRITICAL"])),
                        fields=["level", "hour", "count"],
                        name="system_log_rollup_grave",
                    ),
                    models.Index(condition=models.Q(("delta", True)), fields=["hour"], name="system_log_rollup_delta"),
                ],
            },
        ),
        VendorSQL("postgresql", [FUNCTION_POSTGRESQL], [DROP_TRIGGERS_POSTGRESQL]),
        migrations.RunPython(count_from_now_on, migrations.RunPython.noop),
        VendorSQL("sqlite", [COUNT_SQLITE], ["DROP TRIGGER system_logs_counted"]),
        VendorSQL("sqlite", [UNCOUNT_SQLITE], ["DROP TRIGGER system_logs_uncounted"]),
    ]
