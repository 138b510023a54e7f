"""Every URL of the platform."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from ops_platform import logins
from ops_platform.documentation import DocumentationView, SchemaView

urlpatterns = [
    path("", RedirectView.as_view(url="/docs")),
    path("system/", include("systemlog.api.urls")),
    path("", include("systemlog.ingest.urls")),
    re_path(r"^docs/?$", DocumentationView.as_view(), name="docs"),
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    path("", include("systemlog.problems.urls")),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/login/", logins.login),
    path("admin/", admin.site.urls),
]

handler400 = "systemlog.problems.views.handler400"
handler403 = "systemlog.problems.views.handler403"
handler404 = "systemlog.problems.views.handler404"
handler500 = "systemlog.problems.views.handler500"
