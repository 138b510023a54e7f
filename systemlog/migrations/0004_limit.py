"""The table of the rate limits, for `SYSTEMLOG["LIMITS_STORE"] = "database"`.

Unlogged: a crash of the server empties it, which gives everybody a fresh quota, and saves writing all requests twice.
"""

from __future__ import annotations

from django.db import migrations

from systemlog.storage.operations import VendorSQL


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0003_lookup_functions")]

    operations = [
        VendorSQL(
            "postgresql",
            [
                "CREATE UNLOGGED TABLE system_log_limit (key bytea PRIMARY KEY, tat bigint NOT NULL) "
                "WITH (fillfactor = 70)"
            ],
            ["DROP TABLE system_log_limit"],
        ),
        VendorSQL(
            "sqlite",
            ["CREATE TABLE system_log_limit (key blob PRIMARY KEY, tat bigint NOT NULL) WITHOUT ROWID"],
            ["DROP TABLE system_log_limit"],
        ),
    ]
