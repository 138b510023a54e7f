"""The numbers in the form that the client asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

TELLING = {"python", "process_info"}
"""Families that name versions: for those who may see details."""


class Visible:
    """The families of this service that this client may see: what prometheus_client takes for a registry."""

    def __init__(self, *, details: bool) -> None:
        self._details = details

    def collect(self) -> Iterable[Metric]:
        """The families, of all processes where there are several."""
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        families = MultiProcessCollector(CollectorRegistry(), directory).collect() if directory else REGISTRY.collect()
        return [family for family in families if self._details or family.name not in TELLING]


def prometheus_text(*, details: bool) -> tuple[bytes, str]:
    """The text format 0.0.4, and its content type."""
    return generate_latest(Visible(details=details)), CONTENT_TYPE_PLAIN_0_0_4


def openmetrics_text(*, details: bool) -> tuple[bytes, str]:
    """The OpenMetrics format, and its content type."""
    return generate_openmetrics(Visible(details=details)), OPENMETRICS
