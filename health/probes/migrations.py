"""Probe of migrations: whether all of them are applied."""

from __future__ import annotations

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from health.probes.database import connected_to


class Pending(Exception):
    """Some migrations are not applied."""


class Migrations:
    """Fails while migrations are pending. Once all are applied, a run reads only the list of applied migrations."""

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias
        self._known: set[tuple[str, str]] = set()

    def __call__(self) -> None:
        """Raise `Pending`, or the exception of the database."""
        with connected_to(self.alias) as connection:
            if self._known and self._known <= MigrationRecorder(connection).applied_migrations().keys():
                return
            executor = MigrationExecutor(connection)  # reads every migration from disk
            targets = set(executor.loader.graph.leaf_nodes())
            if plan := executor.migration_plan(list(targets)):
                first = plan[0][0]
                raise Pending(f"{len(plan)} to apply, from {first.app_label}.{first.name} on")
            self._known = targets
