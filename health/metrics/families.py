"""The metric families of the service: those of this process, or of all processes that share a directory."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.core import Metric, Sample

from health.compat import bound_text
from health.metrics.archive import merge_dead_processes, number_files, read_archive
from health.metrics.multiprocess import private_numbers, settle, shared_directory
from health.metrics.numbers import Numbers, fold, forget_layouts, read_numbers

logger = logging.getLogger("health.metrics")

ATTEMPTS = 5

Labels = tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """The parts of a key of prometheus_client's files."""

    family: str
    name: str
    labels: Labels
    help: str


def families() -> Iterable[Metric]:
    """Return all families, ready to be serialized."""
    directory = shared_directory()
    if directory is None:
        return REGISTRY.collect()
    try:
        merge_dead_processes(directory)
    except OSError as error:  # the directory is missing or full: the files are read as they are
        logger.debug("The numbers of dead processes cannot be archived.", extra={"error": error.strerror})
    settle()
    by_kind = _all_numbers(directory)
    # A counter must not include numbers that only this process has: the next scrape may ask another process.
    is_shared = directory.is_dir()
    for kind, private in private_numbers().items():
        if kind.startswith("gauge") or not is_shared:
            fold(kind, by_kind.setdefault(kind, {}), private)
    return [family for kind, numbers in by_kind.items() for family in _families(kind, numbers)]


def _all_numbers(directory: Path) -> dict[str, Numbers]:
    for _ in range(ATTEMPTS):
        archive = read_archive(directory)
        by_kind = {kind: dict(numbers) for kind, numbers in archive.numbers.items()}
        read = set()
        try:
            for file in number_files(directory):
                if file.name in archive.merged:
                    continue
                numbers = read_numbers(directory / file.name)
                if file.kind in ("gauge_all", "gauge_liveall"):
                    numbers = {key + b"\0" + file.pid.encode(): number for key, number in numbers.items()}
                fold(file.kind, by_kind.setdefault(file.kind, {}), numbers)
                read.add(directory / file.name)
        except OSError:  # archived by another process since the archive was read
            continue
        forget_layouts(read)
        return by_kind
    return {}


def _families(kind: str, numbers: Numbers) -> Iterable[Metric]:
    found: dict[str, Metric] = {}
    buckets: dict[tuple[str, Labels], list[tuple[float, float]]] = {}
    sums: dict[tuple[str, Labels], float] = {}
    for key, (value, _) in numbers.items():
        series = _series(key)
        family = found.get(series.family)
        if family is None:
            family = found[series.family] = Metric(series.family, series.help, kind.partition("_")[0])
        if kind == "histogram" and series.name.endswith("_bucket"):
            bound = dict(series.labels)["le"]
            rest = tuple(label for label in series.labels if label[0] != "le")
            buckets.setdefault((series.family, rest), []).append((float(bound), value))
        elif kind == "histogram":
            sums[series.family, series.labels] = value
        else:
            family.samples.append(Sample(series.name, dict(series.labels), value))
    for (name, labels), counts in buckets.items():
        _add_histogram(found[name], dict(labels), sorted(counts), sums.get((name, labels), 0.0))
    return found.values()


def _add_histogram(family: Metric, labels: dict[str, str], counts: Iterable[tuple[float, float]], sum_: float) -> None:
    """Add the samples of one set of labels one after another, as OpenMetrics requires."""
    total = 0.0
    for bound, count in counts:
        total += count
        le = bound_text(bound)
        family.samples.append(Sample(f"{family.name}_bucket", labels | {"le": le}, total))
    family.samples.append(Sample(f"{family.name}_count", labels, total))
    family.samples.append(Sample(f"{family.name}_sum", labels, sum_))


@functools.lru_cache(maxsize=2**14)
def _series(key: bytes) -> Series:
    text, _, pid = key.partition(b"\0")
    family, name, labels, documentation = json.loads(text)
    if pid:
        labels["pid"] = pid.decode()
    return Series(family, name, tuple(sorted(labels.items())), documentation)
