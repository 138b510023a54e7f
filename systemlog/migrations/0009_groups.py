"""Error groups: the column that says to which group a record belongs, and the tables that count groups.

The column is added without rewriting a row. Records of before have no group until `regroup_system_logs` gives them one.
"""

from __future__ import annotations

from typing import Any

import django.db.models.fields.composite
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.storage import group_counts
from systemlog.storage.postgresql import citus, migrating

COLUMNS = (
    "timestamp, id, level, category, source, message, correlation_id, user_id, context, trace_id, subject, recorded_by"
)
OLD, NEW = (", ".join(f"{row}.{column}" for column in COLUMNS.split(", ")) for row in ("OLD", "NEW"))
ADD_COLUMN = "ALTER TABLE system_logs ADD COLUMN group_id text NULL"
DROP_COLUMN = "ALTER TABLE system_logs DROP COLUMN group_id"
GUARD = """
    DROP TRIGGER system_logs_never_changed ON system_logs;
    CREATE TRIGGER system_logs_never_changed BEFORE UPDATE ON system_logs
        FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION system_logs_refuse_change()
"""
GUARD_OF_ALL = GUARD.format(changed="OLD.* IS DISTINCT FROM NEW.*")
GUARD_OF_RECORD = GUARD.format(changed=f"({OLD}) IS DISTINCT FROM ({NEW})")
"""The group of a record may be found anew, by newer rules. Nothing else of a record is ever changed."""


def add(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add the column, count deleted records by a trigger, and let the guard allow another group.

    All of it is one step at the end of the migration, so that the lock of the table is held for a moment. A cluster
    takes no such trigger.
    """
    if schema_editor.connection.vendor != "postgresql":
        for statement in (ADD_COLUMN, group_counts.COUNT_SQLITE, group_counts.UNCOUNT_SQLITE):
            schema_editor.execute(statement, params=None)
        return
    distributed = _is_distributed(schema_editor)
    schema_editor.execute(group_counts.UNCOUNT_POSTGRESQL, params=None)
    _lock(schema_editor)
    triggers = [] if distributed else [group_counts.TRIGGER_POSTGRESQL]
    for statement in (ADD_COLUMN, GUARD_OF_RECORD, *triggers):
        schema_editor.execute(statement, params=None)


def remove(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers and the column, and let the guard refuse every change."""
    if schema_editor.connection.vendor != "postgresql":
        for statement in ("DROP TRIGGER system_logs_grouped", "DROP TRIGGER system_logs_ungrouped", DROP_COLUMN):
            schema_editor.execute(statement, params=None)
        return
    _is_distributed(schema_editor)
    _lock(schema_editor)
    dropped = f"DROP FUNCTION IF EXISTS {group_counts.DELTAS}_uncount()"
    for statement in (group_counts.DROP_TRIGGER_POSTGRESQL, GUARD_OF_ALL, DROP_COLUMN, dropped):
        schema_editor.execute(statement, params=None)


def _lock(schema_editor: BaseDatabaseSchemaEditor) -> None:
    if not schema_editor.collect_sql:
        migrating.lock_table(schema_editor)


def _is_distributed(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    """Whether the log is distributed. If so, have Citus accept the guard, which reads and writes no table."""
    if schema_editor.collect_sql:
        return False
    with schema_editor.connection.cursor() as cursor:
        distributed = bool(citus.is_distributed(cursor))
        if distributed:
            cursor.execute("SET LOCAL citus.enable_unsafe_triggers = on")
    return distributed


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0008_digests")]

    operations = [
        migrations.CreateModel(
            name="Group",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.TextField(choices=[("exception", "Exception"), ("message", "Message"), ("other", "Other")]),
                ),
                ("title", models.TextField()),
                ("category", models.TextField()),
                ("source", models.TextField(help_text="The source of the record that made the group.")),
                ("level", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("open", "Open"),
                            ("resolved", "Resolved"),
                            ("ignored", "Ignored"),
                            ("regressed", "Regressed"),
                        ],
                        default="open",
                    ),
                ),
                ("first_seen", models.DateTimeField(null=True)),
                ("last_seen", models.DateTimeField(null=True)),
                ("count", models.BigIntegerField(default=0, help_text="The number of records that are stored.")),
                (
                    "pruned",
                    models.BigIntegerField(default=0, help_text="The number of records that retention has removed."),
                ),
                (
                    "users",
                    models.IntegerField(
                        default=0, help_text="The number of different users, as far as they are counted."
                    ),
                ),
                ("releases", models.JSONField(default=list)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_in", models.TextField(help_text="The release that has the correction.", null=True)),
                ("assigned_to", models.TextField(help_text="The key of a user.", null=True)),
                ("algorithm", models.IntegerField(help_text="The number of the rules that made the id.")),
                (
                    "alias_of",
                    models.TextField(help_text="The id that newer rules give to the records of this group.", null=True),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "error group",
                "db_table": "system_log_group",
                "default_permissions": ("change",),
                "indexes": [
                    models.Index(fields=["-last_seen", "-id"], name="system_log_group_seen"),
                    models.Index(fields=["source", "created_at"], name="system_log_group_source"),
                ],
            },
        ),
        migrations.CreateModel(
            name="GroupDelta",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("group_id", models.TextField()),
                ("source", models.TextField()),
                ("level", models.TextField()),
                ("release", models.TextField(null=True)),
                ("count", models.BigIntegerField(help_text="Negative for deleted records.")),
                ("first_seen", models.DateTimeField(null=True)),
                ("last_seen", models.DateTimeField(null=True)),
                ("users", models.JSONField(null=True)),
                ("kind", models.TextField(null=True)),
                ("title", models.TextField(null=True)),
                ("category", models.TextField(null=True)),
            ],
            options={
                "db_table": "system_log_group_delta",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="GroupEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("group_id", models.TextField()),
                ("kind", models.TextField(choices=[("new", "New"), ("regressed", "Regressed")])),
                ("at", models.DateTimeField()),
                ("level", models.TextField()),
                ("category", models.TextField()),
                ("source", models.TextField()),
            ],
            options={
                "db_table": "system_log_group_event",
                "default_permissions": (),
                "indexes": [models.Index(fields=["at"], name="system_log_group_event_at")],
            },
        ),
        migrations.CreateModel(
            name="GroupUser",
            fields=[
                (
                    "pk",
                    django.db.models.fields.composite.CompositePrimaryKey(
                        "group_id", "user", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("group_id", models.TextField()),
                ("user", models.BigIntegerField()),
            ],
            options={
                "db_table": "system_log_group_user",
                "default_permissions": (),
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add, remove)],
            state_operations=[
                migrations.AddField(
                    model_name="systemlog",
                    name="group",
                    field=models.TextField(blank=True, db_column="group_id", editable=False, null=True),
                )
            ],
        ),
    ]
