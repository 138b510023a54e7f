"""Fixtures of every room."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite's test databases are files, as in production: in memory, SQLite locks by other rules."""
    from django.db import connections

    for connection in connections.all():
        if connection.vendor == "sqlite":
            folder = tmp_path_factory.mktemp("databases")
            connection.settings_dict["TEST"]["NAME"] = str(folder / f"{connection.alias}.sqlite3")
