"""Serializing the metrics as Prometheus text and as OpenMetrics."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator

import django
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from health.conf import conf
from health.metrics.collectors import Collector, Families
from health.metrics.families import families
from health.metrics.uptime import uptime_s
from health.runner import collecting
from health.states import State

logger = logging.getLogger("health.metrics")

CONTENT_TYPE_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of `generate_latest`. prometheus_client exports it only since 0.23."""

START_TIME = "process_start_time_seconds"
"""Start time of the service. A family of this name in prometheus_client's registry is that of one worker."""

VERSIONED = {"python_info"}
"""Families of prometheus_client that reveal versions. Only clients that may see details get them."""


def prometheus_text(*, details: bool) -> tuple[bytes, str]:
    """Return the metrics in the text format 0.0.4, and the content type."""
    return generate_latest(Families(_visible(details))), CONTENT_TYPE_PLAIN


def openmetrics_text(*, details: bool) -> tuple[bytes, str]:
    """Return the metrics in the OpenMetrics format, and the content type."""
    text: bytes = generate_openmetrics(Families(_visible(details)))
    return text, CONTENT_TYPE_OPENMETRICS


def _visible(details: bool) -> Iterator[Metric]:
    """Yield the families that a client may see, each name once, because Prometheus refuses a scrape with duplicates."""
    seen = set()
    for family in _all(details):
        if family.name in seen:
            logger.warning(
                "Two sources have metrics of the same name; the second is left out.",
                extra={"action": "health.metric_twice", "metric": family.name},
            )
        elif details or family.name not in VERSIONED:
            seen.add(family.name)
            yield family


def _all(details: bool) -> Iterator[Metric]:
    yield _single(START_TIME, "When the service was started.", time.time() - uptime_s())
    if details:
        labels = {"version": conf().VERSION, "django": django.get_version(), "python": platform.python_version()}
        yield _single("django_build_info", "What the service is.", 1, labels)
    yield from (family for family in families() if family.name != START_TIME)
    for probe, result in collecting().results():
        if isinstance(probe.run, Collector) and result is not None and result.state is State.PASS:
            yield from probe.run.families


def _single(name: str, documentation: str, value: float, labels: dict[str, str] | None = None) -> Metric:
    family = Metric(name, documentation, "gauge")
    family.add_sample(name, labels or {}, value)
    return family
