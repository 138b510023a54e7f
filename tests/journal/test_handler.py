"""How a log record becomes a row: the columns."""

from __future__ import annotations

import logging
import logging.handlers
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from systemlog.correlation import correlated
from systemlog.journal import backends
from systemlog.storage import Row

Logger = logging.Logger
Records = list[Row]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (1, "DEBUG"),
        (5, "DEBUG"),
        (logging.DEBUG, "DEBUG"),
        (15, "DEBUG"),
        (logging.INFO, "INFO"),
        (25, "INFO"),
        (logging.WARNING, "WARNING"),
        (logging.ERROR, "ERROR"),
        (logging.CRITICAL, "CRITICAL"),
        (70, "CRITICAL"),
    ],
)
def test_a_level_between_two_is_the_lower(logger: Logger, records: Records, severity: int, level: str) -> None:
    logger.setLevel(1)
    logger.log(severity, "so grave")
    assert records[0].level == level


def test_the_category_is_the_loggers_name(logger: Logger, records: Records) -> None:
    logger.info("x")
    assert records[0].category == "tests.journal"


def test_arguments_are_put_into_the_message(logger: Logger, records: Records) -> None:
    logger.info("%s of %d\tand\nmore\\", "ä", 3)
    assert records[0].message == "ä of 3\tand\nmore\\"


def test_extra_goes_into_the_context(logger: Logger, records: Records) -> None:
    logger.info("x", extra={"order": 7, "lines": [{"sku": "a\\b"}]})
    assert records[0].context == {"order": 7, "lines": [{"sku": "a\\b"}]}


def test_extra_with_a_columns_name_goes_there(logger: Logger, records: Records) -> None:
    with correlated("outer"):
        logger.info("x", extra={"correlation_id": "own", "user_id": 7, "trace_id": "t", "subject": "shop.order:1"})
    record = records[0]
    assert (record.correlation_id, record.user_id, record.trace_id, record.subject) == ("own", "7", "t", "shop.order:1")
    assert record.context == {}


def test_a_model_instance_becomes_its_label_and_key(logger: Logger, records: Records) -> None:
    logger.info("x", extra={"subject": User(pk=5), "who": User(pk=6)})
    assert records[0].subject == "auth.user:5"
    assert records[0].context == {"who": "auth.user:6"}


def test_the_correlation_is_the_running_codes(logger: Logger, records: Records) -> None:
    logger.info("outside")
    with correlated("req-1", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        logger.info("inside")
    assert [record.correlation_id for record in records] == [None, "req-1"]
    assert records[1].trace_id == "0af7651916cd43dd8448eb211c80319c"


def test_a_record_about_a_request_that_is_over_has_its_id_and_no_query_string(logger: Logger, records: Records) -> None:
    request = SimpleNamespace(correlation_id="req-2", method="GET", path="/orders/", GET={"token": "s3cret"})
    logger.warning("Not Found", extra={"request": request, "status_code": 404})
    assert records[0].correlation_id == "req-2"
    assert records[0].context == {"request": "GET /orders/", "status_code": 404}


def test_a_handlers_filter_decides(logger: Logger, records: Records) -> None:
    handler = logger.handlers[0]
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger.info("no")
    logger.info("yes")
    assert [record.message for record in records] == ["yes"]


@pytest.mark.parametrize("place", ["argument", "message", "extra", "exception", "subject"])
def test_logging_within_logging_ends(logger: Logger, records: Records, place: str) -> None:
    (handler,) = logger.handlers

    class Chatty(Exception):
        def __str__(self) -> str:
            log(self)
            return "me"

    def log(what: Chatty) -> None:
        # Past the logger, since pytest's own handler would follow it without an end.
        given = {
            "argument": {"msg": "%s", "args": (what,)},
            "message": {"msg": what},
            "extra": {"msg": "me", "what": what},
            "exception": {"msg": "me", "exc_info": (Chatty, what, None)},
            "subject": {"msg": "me", "subject": what},
        }
        handler.handle(logging.makeLogRecord({"name": "x", "levelno": 20} | given[place]))

    log(Chatty())
    assert [record.message for record in records] == ["me"] * 3
    log(Chatty())
    assert len(records) == 6, "the thread is free again"


def test_a_sink_that_fails_is_reported_on_stderr_alone(
    logger: Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        def append(self, line: bytes) -> bool:
            raise RuntimeError("s3cret")

        def append_many(self, lines: Any) -> int:
            return 0

        def close(self) -> None:
            pass

    monkeypatch.setattr("systemlog.journal.stderr._last_line_at", float("-inf"))
    before = backends.replace(Failing())
    try:
        logger.info("one")
        logger.info("two")
    finally:
        backends.replace(before)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "RuntimeError" in told
    assert "s3cret" not in told


def test_the_handler_imports_no_model() -> None:
    code = (
        "import sys; from systemlog.journal import SystemLogHandler; "
        "print([name for name in sys.modules if name in ('systemlog.models', 'django.db.models.base')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "systemlog.models" not in done.stdout
