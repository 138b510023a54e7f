"""Counts the records that were there before the roll-up, partition by partition, while others write.

Each partition is a transaction of its own; a migration that was interrupted begins again and counts the same.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from systemlog.storage import get_storage


def count_what_is_there(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Recount every span that may have records."""
    if not schema_editor.collect_sql:
        storage = get_storage(schema_editor.connection.alias)
        for span in storage.spans():
            storage.recount_rollup(span)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("systemlog", "0003_rollup")]

    operations = [migrations.RunPython(count_what_is_there, migrations.RunPython.noop, elidable=True)]
