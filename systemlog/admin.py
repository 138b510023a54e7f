"""The Django admin of the system log: records are browsed here, and never edited."""

from systemlog.console.model_admin import SystemLogAdmin

__all__ = ["SystemLogAdmin"]
