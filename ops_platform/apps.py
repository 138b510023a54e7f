"""The project's own app: its commands and checks."""

from __future__ import annotations

from django.apps import AppConfig


class OpsPlatformConfig(AppConfig):
    """App `ops_platform`."""

    name = "ops_platform"
