"""The reusable app: registers its checks and nothing else."""

from __future__ import annotations

from django.apps import AppConfig


class SystemLogConfig(AppConfig):
    """App `systemlog`."""

    name = "systemlog"
    verbose_name = "System log"

    def ready(self) -> None:
        """Register the system checks."""
        from django.db.backends.signals import connection_created

        from systemlog import checks  # noqa: F401  (importing registers them)
        from systemlog.correlation import checks as correlation_checks  # noqa: F401
        from systemlog.correlation.sql import comment_statements
        from systemlog.problems import checks as problem_checks  # noqa: F401
        from systemlog.storage.sqlite import register_functions

        connection_created.connect(register_functions)
        connection_created.connect(comment_statements)
