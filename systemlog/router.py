"""A database router that keeps the log's tables in the database `SYSTEMLOG["DATABASE"]`, and other tables out of it.

Saved views belong to users, and so are in the database `default`, as users are.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from systemlog.conf import conf

APP_LABEL = "systemlog"
BESIDE_USERS = ("savedview",)
"""The app's models that are not in the log's database, by their names in lower case."""


class SystemLogRouter:
    """A router for `DATABASE_ROUTERS`. It decides about this app's models, and what is migrated in the log database."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Return the log database for this app's models, except for those beside users."""
        of_log = model._meta.app_label == APP_LABEL and model._meta.model_name not in BESIDE_USERS
        return conf().DATABASE if of_log else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        """Migrate the log's models on its database only, and no other models on a database other than `default`."""
        alias = conf().DATABASE
        if app_label == APP_LABEL and model_name in BESIDE_USERS:
            return db == DEFAULT_DB_ALIAS
        if app_label == APP_LABEL:
            return db == alias
        return False if db == alias != "default" else None
