"""Creates the tables of the system log: its records, the lander's checkpoints, and the roll-up with its triggers.

On PostgreSQL it also creates the partitions of the present and of the days ahead.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import systemlog.models
import systemlog.records.context_json
import systemlog.records.ids
import systemlog.storage.defaults
from systemlog.conf import conf
from systemlog.storage.calendar import days_ahead
from systemlog.storage.operations import CreatePartitionedModel, VendorSQL
from systemlog.storage.postgresql.partitions import create_partition
from systemlog.storage.rollup import (
    COUNT_SQLITE,
    DROP_TRIGGERS_POSTGRESQL,
    FUNCTION_POSTGRESQL,
    TRIGGERS_POSTGRESQL,
    UNCOUNT_SQLITE,
)

REFUSE_CHANGES_POSTGRESQL = """
    CREATE FUNCTION system_logs_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'Records of the system log are never changed.' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER system_logs_never_changed BEFORE UPDATE ON system_logs
        FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION system_logs_refuse_change()
"""
ALLOW_CHANGES_POSTGRESQL = """
    DROP TRIGGER system_logs_never_changed ON system_logs;
    DROP FUNCTION system_logs_refuse_change()
"""
COLUMNS = (
    "timestamp",
    "id",
    "level",
    "category",
    "source",
    "message",
    "correlation_id",
    "user_id",
    "context",
    "trace_id",
    "subject",
    "recorded_by",
)
REFUSE_CHANGES_SQLITE = f"""
    CREATE TRIGGER system_logs_never_changed BEFORE UPDATE ON system_logs
    WHEN {" OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in COLUMNS)}
    BEGIN SELECT RAISE(ABORT, 'Records of the system log are never changed.'); END
"""
# SQLite compares text: a timestamp or an id in another format would break the order that pages follow.
REFUSE_OTHER_SHAPES_SQLITE = """
    CREATE TRIGGER system_logs_one_shape BEFORE INSERT ON system_logs
    WHEN NOT (
        length(NEW."id") = 32 AND NEW."id" NOT GLOB '*[^0-9a-f]*' AND typeof(NEW."message") = 'text'
        AND (
            NEW."timestamp" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]'
            OR NEW."timestamp" GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]'
                || '.[0-9][0-9][0-9][0-9][0-9][0-9]'
        )
    )
    BEGIN SELECT RAISE(ABORT, 'Not the shape of a record: timestamp YYYY-MM-DD HH:MM:SS[.ffffff], id 32 hex.'); END
"""


def make_first_partitions(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the partitions of today and of the days ahead, so that plain SQL can insert at once.

    The storage creates partitions for other times when a record needs them.
    """
    if schema_editor.connection.vendor == "postgresql" and not schema_editor.collect_sql:
        with schema_editor.connection.cursor() as cursor:
            for day in days_ahead(datetime.now(UTC), conf().PARTITION):
                create_partition(cursor, day)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        CreatePartitionedModel(
            name="SystemLog",
            fields=[
                (
                    "id",
                    systemlog.models.RecordId(
                        db_default=systemlog.storage.defaults.MintedId(),
                        default=None,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "timestamp",
                    models.DateTimeField(
                        db_default=systemlog.storage.defaults.NowText(), default=systemlog.records.ids.next_instant
                    ),
                ),
                (
                    "level",
                    models.TextField(
                        choices=[
                            ("DEBUG", "Debug"),
                            ("INFO", "Info"),
                            ("WARNING", "Warning"),
                            ("ERROR", "Error"),
                            ("CRITICAL", "Critical"),
                        ],
                        db_default="INFO",
                        default="INFO",
                    ),
                ),
                ("category", models.TextField(db_default="general", default="general")),
                ("source", models.TextField(blank=True, db_default="", default="")),
                ("message", models.TextField()),
                ("correlation_id", models.TextField(blank=True, null=True)),
                ("user_id", models.TextField(blank=True, null=True)),
                (
                    "context",
                    models.JSONField(
                        blank=True,
                        db_default=models.Value({}, models.JSONField()),
                        decoder=systemlog.records.context_json.ContextDecoder,
                        default=dict,
                    ),
                ),
                ("trace_id", models.TextField(blank=True, null=True)),
                ("subject", models.TextField(blank=True, null=True)),
                ("recorded_by", models.TextField(blank=True, editable=False, null=True)),
            ],
            options={
                "verbose_name": "system log record",
                "db_table": "system_logs",
                "ordering": ["-timestamp", "-id"],
                "default_permissions": ("add", "view"),
                "indexes": [
                    models.Index(fields=["id"], name="system_logs_id"),
                    models.Index(
                        condition=models.Q(("correlation_id__isnull", False)),
                        fields=["correlation_id"],
                        name="system_logs_correlation",
                    ),
                    models.Index(
                        condition=models.Q(("trace_id__isnull", False)), fields=["trace_id"], name="system_logs_trace"
                    ),
                    models.Index(
                        condition=models.Q(("user_id__isnull", False)),
                        fields=["user_id", "timestamp"],
                        name="system_logs_user",
                    ),
                    models.Index(
                        condition=models.Q(("subject__isnull", False)),
                        fields=["subject", "timestamp"],
                        name="system_logs_subject",
                    ),
                    models.Index(fields=["category", "timestamp"], name="system_logs_category"),
                    models.Index(
                        condition=models.Q(("level__in", ["ERROR", "CRITICAL"])),
                        fields=["timestamp", "level", "category"],
                        name="system_logs_grave",
                    ),
                    models.Index(
                        condition=models.Q(("level", "CRITICAL")),
                        fields=["category", "timestamp"],
                        name="system_logs_critical",
                    ),
                ],
            },
            partition_by="timestamp",
        ),
        VendorSQL(
            "postgresql",
            ["CREATE INDEX system_logs_context ON system_logs USING gin (context jsonb_path_ops)"],
            ["DROP INDEX system_logs_context"],
        ),
        VendorSQL("postgresql", [REFUSE_CHANGES_POSTGRESQL], [ALLOW_CHANGES_POSTGRESQL]),
        VendorSQL("sqlite", [REFUSE_CHANGES_SQLITE], ["DROP TRIGGER system_logs_never_changed"]),
        VendorSQL("sqlite", [REFUSE_OTHER_SHAPES_SQLITE], ["DROP TRIGGER system_logs_one_shape"]),
        migrations.RunPython(make_first_partitions, migrations.RunPython.noop),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("segment", models.UUIDField(primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(help_text="The byte up to which the segment is stored.")),
                ("moved", models.DateTimeField()),
            ],
            options={
                "db_table": "system_log_checkpoint",
                "default_permissions": (),
            },
        ),
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
        VendorSQL("postgresql", [FUNCTION_POSTGRESQL, TRIGGERS_POSTGRESQL], [DROP_TRIGGERS_POSTGRESQL]),
        VendorSQL("sqlite", [COUNT_SQLITE], ["DROP TRIGGER system_logs_counted"]),
        VendorSQL("sqlite", [UNCOUNT_SQLITE], ["DROP TRIGGER system_logs_uncounted"]),
    ]
