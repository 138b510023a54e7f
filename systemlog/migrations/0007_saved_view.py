"""Creates the table of saved views, in the database of the users (see `systemlog.router`)."""

from __future__ import annotations

import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0006_landing_notes")]

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("query", models.TextField(blank=True, help_text="The query string of the search.")),
                ("owner", models.CharField(db_index=True, editable=False, max_length=100)),
                ("shared", models.BooleanField(db_index=True, default=False)),
                ("updated", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "saved view",
                "db_table": "system_log_saved_view",
                "ordering": ["name", "id"],
            },
        ),
    ]
