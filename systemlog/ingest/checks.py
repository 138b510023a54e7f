"""System checks of the ingest endpoints. They warn if a protocol is installed without the package that decodes it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import suppress

from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.urls import NoReverseMatch, reverse

from systemlog.conf import conf

NEEDED = (
    ("otlp", "ingest-otlp", "opentelemetry.proto", "opentelemetry-proto", "protobuf", "systemlog.W090"),
    ("loki", "ingest-loki", "cramjam", "cramjam", "snappy", "systemlog.W091"),
)
"""Protocol, name of its URL, module that it needs, package of this module, format that it decodes, id of the check."""


@register(Tags.urls)
def check_extras(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W090, W091: the packages that decode protobuf for OTLP and snappy for Loki are installed."""
    return [
        checks.Warning(
            f"The clients of {protocol} that send {form} get 415: {package} is not installed.",
            hint=f"Install the extra {protocol!r}, or leave {protocol!r} out of SYSTEMLOG['INGEST'].",
            id=check,
        )
        for protocol, url, module, package, form, check in NEEDED
        if protocol in conf().INGEST and _is_installed(url) and not _is_there(module)
    ]


def _is_installed(url: str) -> bool:
    if not getattr(settings, "ROOT_URLCONF", None):  # the project has no views
        return False
    try:
        reverse(url)
    except NoReverseMatch:
        return False
    return True


def _is_there(module: str) -> bool:
    with suppress(ModuleNotFoundError):  # the parent package is not installed
        return importlib.util.find_spec(module) is not None
    return False
