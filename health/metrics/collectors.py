"""Collectors: functions that return metrics at each scrape, for numbers that are the same in every process.

A collector is the dotted path of a callable without arguments that returns metric families of prometheus_client. It
runs like a probe: if a collector hangs or raises, only its own metrics are missing in the scrape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from django.utils.module_loading import import_string
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from health.conf import conf
from health.probes.configuration import BadProbe, ConfiguredProbe


@dataclasses.dataclass(slots=True)
class Collector:
    """One callable of COLLECTORS, and the metrics that it returned last."""

    collect: Callable[[], Iterable[Metric]]
    families: list[Metric] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Collect again. Raises what the callable raises, and what serializing its families raises."""
        families = list(self.collect())
        written = Families(families)
        generate_latest(written)
        generate_openmetrics(written)
        self.families = families


class Families(CollectorRegistry):
    """A registry of given families, which is what the serializers of prometheus_client take."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families


def configured_collectors() -> Iterator[ConfiguredProbe]:
    """Yield the collectors of the settings. A collector that cannot be imported fails at each run."""
    for path in conf().COLLECTORS:
        try:
            yield ConfiguredProbe(path, Collector(collector(path)))
        except BadProbe as error:
            yield ConfiguredProbe(path, Collector(_failing(error)))


def bad_collectors() -> Iterator[tuple[str, str]]:
    """Yield the entries that cannot be used: (path, reason)."""
    for path in conf().COLLECTORS:
        try:
            collector(path)
        except BadProbe as error:
            yield path, str(error)


def collector(path: str) -> Callable[[], Iterable[Metric]]:
    """Import the callable. Raises `BadProbe` if it cannot be imported or called."""
    try:
        target = import_string(path)
    except (ImportError, AttributeError, TypeError) as error:
        raise BadProbe(f"cannot be imported: {error}") from error
    if not callable(target):
        raise BadProbe("is not callable")
    collect: Callable[[], Iterable[Metric]] = target
    return collect


def _failing(error: BadProbe) -> Callable[[], Iterable[Metric]]:
    def collect() -> Iterable[Metric]:
        raise error

    return collect
