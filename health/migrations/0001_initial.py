"""The permission `health.view_details`, and no table."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the content type and permission of `Details` known."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Details",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
            ],
            options={
                "verbose_name": "probe details",
                "verbose_name_plural": "probe details",
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
