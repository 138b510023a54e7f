"""The numbers in the forms that Prometheus reads."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable

import django
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from health.conf import conf
from health.metrics.families import families
from health.metrics.uptime import uptime_s

TELLING = {"python_info"}
"""Families of prometheus_client's own that tell versions: for those who may see details."""


class Visible(CollectorRegistry):
    """What a client may see, as a registry to be written out."""

    def __init__(self, *, details: bool) -> None:
        super().__init__()
        self._details = details

    def collect(self) -> Iterable[Metric]:
        """The families, read anew each time."""
        yield _single("django_process_start_time_seconds", "When the service was started.", time.time() - uptime_s())
        if self._details:
            labels = {
                "version": conf().VERSION,
                "django": django.get_version(),
                "python": platform.python_version(),
            }
            yield _single("django_build_info", "What the service is.", 1, labels)
        yield from (family for family in families() if self._details or family.name not in TELLING)


def prometheus_text(*, details: bool) -> tuple[bytes, str]:
    """The text format 0.0.4, and its content type."""
    return generate_latest(Visible(details=details)), CONTENT_TYPE_PLAIN_0_0_4


def openmetrics_text(*, details: bool) -> tuple[bytes, str]:
    """The OpenMetrics format, and its content type."""
    text: bytes = generate_openmetrics(Visible(details=details))  # type: ignore[no-untyped-call]
    return text, CONTENT_TYPE_OPENMETRICS


def _single(name: str, documentation: str, value: float, labels: dict[str, str] | None = None) -> Metric:
    family = Metric(name, documentation, "gauge")
    family.add_sample(name, labels or {}, value)
    return family
