"""The URLs of `benchmarks.history`: those of the platform, with groups whose history comes from the audit trail."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import include, path

from systemlog.admin import AuditedAdmin


class AuditedGroups(AuditedAdmin, admin.ModelAdmin):
    """Groups with the history of their changes."""


admin.site.unregister(Group)
admin.site.register(Group, AuditedGroups)  # before the platform's URLs are made, which have the pages of this class

urlpatterns = [path("", include("ops_platform.urls"))]
