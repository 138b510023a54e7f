"""Creates the functions that find records by an index on PostgreSQL, and keep their plan.

The migration comes after the distribution, because bringing a table back from a Citus cluster replaces the table that
the functions depend on.
"""

from __future__ import annotations

from django.db import migrations

from systemlog.storage.operations import VendorSQL
from systemlog.storage.postgresql.lookup_functions import CREATE_SQL, DROP_SQL


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0002_distribution")]

    operations = [VendorSQL("postgresql", CREATE_SQL, DROP_SQL)]
