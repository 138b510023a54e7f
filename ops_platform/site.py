"""The admin site of the platform: its name, its start page, and the name of the tokens' app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse


class PlatformSite(AdminSite):
    """Django's admin site, with the last hour of the log and the probes on its start page."""

    index_title = "Start"
    index_template = "ops_platform/start.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.site_header = self.site_title = str(settings.SPECTACULAR_SETTINGS["TITLE"])

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the start page."""
        from systemlog.console.overview import overview
        from systemlog.console.policy import protect

        context = {**overview(request.user), **(extra_context or {})}
        return protect(super().index(request, context))


class PlatformAdminConfig(AdminConfig):
    """App `django.contrib.admin` with the site of the platform."""

    default_site = "ops_platform.site.PlatformSite"
