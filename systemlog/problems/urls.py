"""The URLs `/problems` and `/problems/<slug>`, with and without a final slash. Include this module at the root."""

from __future__ import annotations

from django.urls import re_path

from systemlog.problems import views

app_name = "problems"

urlpatterns = [
    re_path(r"^problems/?$", views.index, name="index"),
    re_path(r"^problems/(?P<slug>[a-z0-9-]+)/?$", views.detail, name="detail"),
]
