"""Private APIs of other packages that this app uses, each with its reason.

`tests/health/test_compat.py` has a test for each, which fails when the other package changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from prometheus_client import values
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import mmap_key


def mark_as_logged(response: HttpResponse) -> None:
    """Keep Django from logging this response as an error (`log_response` of Django 5.2 to 6.1)."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django sets it on responses that it has logged


def use_value_class(value_class: type[Any]) -> None:
    """Make metrics that are created from now on keep their numbers in `value_class`.

    prometheus_client (0.21 to 0.23) chooses a class by an environment variable and has no other way to name one.
    """
    values.ValueClass = value_class


def key_of(metric: str, name: str, labels: Sequence[str], values: Sequence[str], help_text: str) -> bytes:
    """Return the key that prometheus_client (0.21 to 0.23) writes before a number in its files."""
    return mmap_key(metric, name, list(labels), list(values), help_text).encode()


def value_of(metric: MetricWrapperBase) -> object:
    """Return the value object of a counter or gauge (prometheus_client 0.21 to 0.23), which has no public name."""
    return metric._value  # type: ignore[attr-defined]  # subclasses have it


def values_of_histogram(metric: MetricWrapperBase) -> tuple[object, Sequence[object]]:
    """Return the value objects of a histogram's sum and of its buckets (prometheus_client 0.21 to 0.23)."""
    return metric._sum, metric._buckets  # type: ignore[attr-defined]  # `Histogram` has them
