"""The functions that find the records of one request, trace, user or thing, and keep their plan."""

from __future__ import annotations

from django.db import migrations

from systemlog.storage.operations import VendorSQL
from systemlog.storage.postgresql.lookup_functions import CREATE_SQL, DROP_SQL


class Migration(migrations.Migration):
    dependencies = [("systemlog", "0005_distribution")]

    operations = [VendorSQL("postgresql", CREATE_SQL, DROP_SQL)]
