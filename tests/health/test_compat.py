"""The private APIs of Django and prometheus_client that `health.compat` uses still mean the same."""

from __future__ import annotations

import json
import logging

import pytest
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
