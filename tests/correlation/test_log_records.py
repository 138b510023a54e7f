"""The ids on log records: of the view, of Django after the middlewares, and of code that logs later."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from systemlog.correlation import CorrelationFilter, correlated
from tests.support.correlation import Get, Recorder


@pytest.mark.parametrize(
    ("path", "logger"),
    [
        ("/seen", "site"),
        ("/async-seen", "site"),
        ("/nowhere", "django.request"),
        ("/refuses", "django.request"),
        ("/suspects", "django.security.SuspiciousOperation"),
        ("/fails", "django.request"),
        ("/async-fails", "django.request"),
    ],
)
def test_a_handler_finds_the_id_while_it_handles_any_record(get: Get, logged: Recorder, path: str, logger: str) -> None:
    get(path, headers={"X-Request-ID": "given"})

    assert [record.current_id for record in logged.of(logger)] == ["given"]


def test_the_error_of_a_disallowed_host_has_the_id(get: Get, logged: Recorder, settings: object) -> None:
    settings.ALLOWED_HOSTS = ["example.com"]

    get("/seen/", headers={"X-Request-ID": "given", "Host": "evil.test"})

    assert [record.current_id for record in logged.of("django.security.DisallowedHost")] == ["given"]


def test_error_responses_are_logged_as_django_logs_them(get: Get, logged: Recorder) -> None:
    get("/nowhere")

    [record] = logged.of("django.request")
    assert (record.getMessage(), record.levelname, record.status_code) == ("Not Found: /nowhere", "WARNING", 404)
    assert record.request.path == "/nowhere"


def a_record(**extra: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": "a message", **extra})


def test_the_filter_marks_records_with_the_correlation() -> None:
    record = a_record()
    with correlated("given", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        assert CorrelationFilter().filter(record)

    assert record.correlation_id == "given"
    assert record.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert record.user_id is None


def test_the_filter_lets_records_of_no_request_pass() -> None:
    record = a_record()

    assert CorrelationFilter().filter(record)
    assert (record.correlation_id, record.trace_id, record.user_id) == (None, None, None)


def test_the_filter_keeps_what_a_record_carries() -> None:
    record = a_record(correlation_id="its own")
    with correlated("given"):
        CorrelationFilter().filter(record)

    assert record.correlation_id == "its own"


def test_the_filter_asks_the_request_of_a_record_that_comes_too_late() -> None:
    record = a_record(request=SimpleNamespace(correlation_id="given"))

    CorrelationFilter().filter(record)

    assert record.correlation_id == "given"


def test_the_filter_takes_the_socket_that_runserver_calls_a_request() -> None:
    record = a_record(request=object())

    CorrelationFilter().filter(record)

    assert record.correlation_id is None
