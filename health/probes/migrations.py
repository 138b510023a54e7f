"""Is the database as the code expects it?"""

from __future__ import annotations

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from health.probes.database import connected_to


class Pending(Exception):
    """There are migrations that have not been applied."""


class Migrations:
    """Fails while migrations are pending. When none is, it asks for no more than the list of those applied."""

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias
        self._known: set[tuple[str, str]] = set()

    def __call__(self) -> None:
        """Raise `Pending`, or what the database raises."""
        with connected_to(self.alias) as connection:
            if self._known and self._known <= MigrationRecorder(connection).applied_migrations().keys():
                return
            executor = MigrationExecutor(connection)  # reads every migration from disk
            targets = set(executor.loader.graph.leaf_nodes())
            if plan := executor.migration_plan(list(targets)):
                first = plan[0][0]
                raise Pending(f"{len(plan)} to apply, from {first.app_label}.{first.name} on")
            self._known = targets
