"""The notes from which a tail learns what has landed: their tables, their trigger, and the lookup of records by key.

Locks `system_logs` at no point: the trigger stays, and its function is replaced.
"""

from __future__ import annotations

from django.db import migrations

from systemlog.storage.operations import VendorSQL
from systemlog.storage.postgresql.notes import (
    COUNT_AND_NOTE_SQL,
    CREATE_LOOKUP_SQL,
    CREATE_TABLES_SQL,
    DROP_LOOKUP_SQL,
    DROP_TABLES_SQL,
)
from systemlog.storage.rollup import FUNCTION_POSTGRESQL

COUNT_ONLY_SQL = FUNCTION_POSTGRESQL.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0005_alerts")]

    operations = [
        VendorSQL("postgresql", CREATE_TABLES_SQL, DROP_TABLES_SQL),
        VendorSQL("postgresql", [COUNT_AND_NOTE_SQL], [COUNT_ONLY_SQL]),
        VendorSQL("postgresql", [CREATE_LOOKUP_SQL], [DROP_LOOKUP_SQL]),
    ]
