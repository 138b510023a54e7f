"""The Django admin of the system log: records are browsed here, and never edited."""

from systemlog.admin.browsing import SystemLogAdmin

__all__ = ["SystemLogAdmin"]
