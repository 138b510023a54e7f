"""Creates the tables of the digests: the chain, the notes of late records, and the frontier of the closed hours."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("systemlog", "0007_saved_view"),
    ]

    operations = [
        migrations.CreateModel(
            name="Digest",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("hour", models.DateTimeField(null=True)),
                ("line", models.TextField()),
            ],
            options={
                "db_table": "system_log_digest",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="DigestFrontier",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
                ("log", models.TextField()),
            ],
            options={
                "db_table": "system_log_digest_frontier",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="LateNote",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField()),
                ("line", models.TextField()),
            ],
            options={
                "db_table": "system_log_late_note",
                "default_permissions": (),
                "indexes": [models.Index(fields=["hour"], name="system_log_late_note_hour")],
            },
        ),
    ]
