"""Has deleted records that are counted as others taken away from the others, on SQLite; changes no row."""

from __future__ import annotations

from django.db import migrations

from systemlog.records.row import TABLE
from systemlog.storage.operations import VendorSQL
from systemlog.storage.rollup import UNCOUNT_OTHER_SQLITE, UNCOUNT_SQLITE

DROP = f"DROP TRIGGER {TABLE}_uncounted"


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0006_planned")]

    operations = [VendorSQL("sqlite", [DROP, UNCOUNT_OTHER_SQLITE], [DROP, UNCOUNT_SQLITE])]
