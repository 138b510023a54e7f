"""The module in which Django's admin looks for the admin classes of the app."""

from systemlog.console.alerts import AlertAdmin
from systemlog.console.audited import AuditedAdmin
from systemlog.console.groups import GroupAdmin
from systemlog.console.model_admin import SystemLogAdmin

__all__ = ["AlertAdmin", "AuditedAdmin", "GroupAdmin", "SystemLogAdmin"]
