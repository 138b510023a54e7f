"""URLs of a project whose admin is a site of its own, at a place of its own."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.urls import path

from systemlog.admin import SystemLogAdmin
from systemlog.models import SystemLog

site = AdminSite(name="ops")
site.register(SystemLog, SystemLogAdmin)

urlpatterns = [path("desk/", site.urls)]
