"""The URLs of a project with an admin site of its own at another path."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import path

from systemlog.admin import SystemLogAdmin
from systemlog.models import SystemLog

site = AdminSite(name="ops")
site.register(SystemLog, SystemLogAdmin)

urlpatterns = [path("desk/", site.urls)]
