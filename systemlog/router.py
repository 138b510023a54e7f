"""Sends the log table to the database that `SYSTEMLOG["DATABASE"]` names, and nothing else there."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from systemlog.conf import conf

APP_LABEL = "systemlog"


class SystemLogRouter:
    """A database router for `DATABASE_ROUTERS`; it has an opinion on this app's models alone."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """The log database for our models."""
        return conf().DATABASE if model._meta.app_label == APP_LABEL else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Our migrations run on the log database only; a log database of its own gets no other app's tables."""
        alias = conf().DATABASE
        if app_label == APP_LABEL:
            return db == alias
        return False if db == alias != "default" else None
