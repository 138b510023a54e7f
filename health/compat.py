"""Private APIs of other packages that this app uses, each with its reason.

`tests/health/test_compat.py` has a test for each, which fails when the other package changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admindocs.utils import replace_metacharacters, replace_named_groups, replace_unnamed_groups
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpResponse
from prometheus_client import utils, values
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


def bound_text(bound: float) -> str:
    """Return a bucket's bound as prometheus_client (0.21 to 0.23) writes it in the label `le`: `0.5`, `+Inf`."""
    text: str = utils.floatToGoString(bound)
    return text


def without_groups(pattern: str) -> str:
    """Return a regular expression of a `re_path` with names in place of its groups, and without metacharacters.

    admindocs (Django 5.2 to 6.1) documents its pages and not these functions.
    """
    return replace_metacharacters(replace_unnamed_groups(replace_named_groups(pattern)))


def has_applied(connection: BaseDatabaseWrapper, migrations: set[tuple[str, str]]) -> bool:
    """Return whether these migrations, by app and name, are recorded as applied (Django 5.2 to 6.1)."""
    from django.db.migrations.recorder import MigrationRecorder

    return migrations <= MigrationRecorder(connection).applied_migrations().keys()


def pending_migrations(connection: BaseDatabaseWrapper) -> tuple[list[str], set[tuple[str, str]]]:
    """Return the migrations to apply, in their order, and the last ones of all apps by app and name.

    Reads every migration from disk. `migrate --check` does the same, prints a plan and exits (Django 5.2 to 6.1).
    """
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    last = set(executor.loader.graph.leaf_nodes())
    plan = executor.migration_plan(list(last))
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan], last
