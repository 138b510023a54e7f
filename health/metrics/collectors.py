"""Metrics that a function gives when they are asked for: what is on a disk or in a database, for all processes alike.

A collector is the dotted path of a callable without arguments that gives prometheus_client's families. It is run like
a probe, so that one that hangs or raises costs its own families and not the scrape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from django.utils.module_loading import import_string
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from health.conf import conf
from health.probes.configuration import BadProbe, ConfiguredProbe


@dataclasses.dataclass(slots=True)
class Collector:
    """One callable of COLLECTORS, and what it gave last."""

    collect: Callable[[], Iterable[Metric]]
    families: list[Metric] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Collect anew. Raises what the callable raises, and what writing out its families would."""
        families = list(self.collect())
        written = Families(families)
        generate_latest(written)
        generate_openmetrics(written)
        self.families = families


class Families(CollectorRegistry):
    """Families to be written out, as prometheus_client takes them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families."""
        return self._families


def configured_collectors() -> Iterator[ConfiguredProbe]:
    """The collectors of the settings; one that cannot be imported fails whenever it is run."""
    for path in conf().COLLECTORS:
        try:
            yield ConfiguredProbe(path, Collector(collector(path)))
        except BadProbe as error:
            yield ConfiguredProbe(path, Collector(_failing(error)))


def bad_collectors() -> Iterator[tuple[str, str]]:
    """The entries that are no collectors: (path, why)."""
    for path in conf().COLLECTORS:
        try:
            collector(path)
        except BadProbe as error:
            yield path, str(error)


def collector(path: str) -> Callable[[], Iterable[Metric]]:
    """What the path names. Raises `BadProbe` when that is nothing, or nothing that can be called."""
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
