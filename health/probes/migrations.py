"""Probe of migrations: whether all of them are applied."""

from __future__ import annotations

from health.compat import has_applied, pending_migrations
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
            if self._known and has_applied(connection, self._known):
                return
            pending, last = pending_migrations(connection)
            if pending:
                raise Pending(f"{len(pending)} to apply, from {pending[0]} on")
            self._known = last
