"""App configuration of the project's own app."""

from __future__ import annotations

import contextlib
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


class OpsPlatformConfig(AppConfig):
    """App `ops_platform`."""

    name = "ops_platform"

    def ready(self) -> None:
        """Register the checks, limit waiting for PostgreSQL, share state between workers, keep files private."""
        from ops_platform import (
            checks,  # noqa: F401  (importing registers them)
            deadlines,
            private_files,
            remembered,
            token_records,
        )
        from ops_platform.logins import client_address
        from systemlog.problems.repeats import repeats
        from systemlog.problems.wrong_hosts import wrong_hosts

        private_files.restrict_new_files()
        deadlines.install()
        token_records.connect()
        remembered.connect()
        repeats.address_of = client_address
        wrong_hosts.file = settings.VAR_DIR / "wrong-host"
        files = [
            Path(str(database.get("NAME")))
            for database in settings.DATABASES.values()
            if database["ENGINE"] == "django.db.backends.sqlite3"
        ]
        private_files.restrict_databases(files)
        if any(settings.VAR_DIR in file.parents for file in files):
            with contextlib.suppress(OSError):  # the check ops_platform.E006 reports it
                settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
