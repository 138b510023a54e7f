"""A database router that keeps the log's tables in the database `SYSTEMLOG["DATABASE"]`, and other tables out of it."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from systemlog.conf import conf

APP_LABEL = "systemlog"


class SystemLogRouter:
    """A router for `DATABASE_ROUTERS`. It decides about this app's models, and what is migrated in the log database."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Return the log database for this app's models."""
        return conf().DATABASE if model._meta.app_label == APP_LABEL else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Migrate this app on the log database only. A log database other than `default` gets no other app's tables."""
        alias = conf().DATABASE
        if app_label == APP_LABEL:
            return db == alias
        return False if db == alias != "default" else None
