"""Tests of the private APIs of Django and prometheus_client on which `health` depends."""

from __future__ import annotations

import json
import logging
import math

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response
from prometheus_client import CollectorRegistry, Counter, Histogram

from health import compat


def test_a_response_that_is_marked_is_not_logged_by_django(caplog: pytest.LogCaptureFixture) -> None:
    request = RequestFactory().get("/")
    with caplog.at_level(logging.ERROR, "django.request"):
        log_response("%s", "logged", response=HttpResponse(status=503), request=request)
        marked = HttpResponse(status=503)
        compat.mark_as_logged(marked)
        log_response("%s", "marked", response=marked, request=request)

    assert [record.getMessage() for record in caplog.records] == ["logged"]


def test_metrics_keep_their_numbers_in_the_class_that_was_named() -> None:
    from health.metrics.multiprocess import SharedValue, install

    install()
    registry = CollectorRegistry()
    counter = Counter("compat_counted", "For a test.", registry=registry)
    histogram = Histogram("compat_timed", "For a test.", buckets=(1, 2), registry=registry)
    sum_, buckets = compat.values_of_histogram(histogram)

    assert isinstance(compat.value_of(counter), SharedValue)
    assert isinstance(sum_, SharedValue)
    assert [type(bucket) for bucket in buckets] == [SharedValue] * 3


def test_the_values_are_those_that_the_metrics_show() -> None:
    registry = CollectorRegistry()
    counter = Counter("compat_shown", "For a test.", registry=registry)
    counter.inc(3)
    value = compat.value_of(counter)

    assert value.get() == 3
    assert registry.get_sample_value("compat_shown_total") == 3


def test_a_key_is_json_of_names_labels_and_help() -> None:
    assert json.loads(compat.key_of("m", "m_total", ["a"], ["1"], "Help.")) == ["m", "m_total", {"a": "1"}, "Help."]


def test_a_bound_is_written_as_in_the_text_of_a_histogram() -> None:
    registry = CollectorRegistry()
    Histogram("compat_bounds", "For a test.", buckets=(0.5, 10), registry=registry)
    bounds = [each.labels["le"] for family in registry.collect() for each in family.samples if "le" in each.labels]
    assert [compat.bound_text(bound) for bound in (0.5, 10.0, math.inf)] == bounds


def test_a_regular_expression_loses_its_groups_and_metacharacters() -> None:
    assert compat.without_groups(r"^orders/(?P<pk>[^/.]+)/?$") == "orders/<pk>/"


@pytest.mark.django_db
def test_a_migration_that_is_not_recorded_is_pending() -> None:
    pending, last = compat.pending_migrations(connection)
    assert pending == []
    assert compat.has_applied(connection, last)
    name = next(iter(name for app, name in last if app == "knox"))
    MigrationRecorder(connection).record_unapplied("knox", name)
    assert not compat.has_applied(connection, last)
    assert compat.pending_migrations(connection)[0] == [f"knox.{name}"]
