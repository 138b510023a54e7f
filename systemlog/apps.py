"""The reusable app: registers its checks and nothing else."""

from __future__ import annotations

from django.apps import AppConfig


class SystemLogConfig(AppConfig):
    """App `systemlog`."""

    name = "systemlog"
    verbose_name = "System log"

    def ready(self) -> None:
        """Register the system checks."""
        from systemlog import checks  # noqa: F401  (importing registers them)
