"""Records of structlog's stdlib loggers are stored as those of any other logger."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from systemlog.correlation import CorrelationFilter
from systemlog.journal import SystemLogHandler
from systemlog.storage import Row

Records = list[Row]


def processors(*more: Any) -> list[Any]:
    """The processors that the documentation of django-structlog shows, up to the exceptions."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.filter_by_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        *more,
        structlog.processors.UnicodeDecoder(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]


FORMATTED = processors(structlog.processors.StackInfoRenderer(), structlog.processors.format_exc_info)


@pytest.fixture
def handlers() -> Iterator[list[logging.Handler]]:
    """The handlers of the logger `pay`: one that writes structlog's lines to a stream, and ours behind it."""
    logger = logging.getLogger("pay")
    lines = logging.StreamHandler()
    lines.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
    logger.handlers = [lines, SystemLogHandler()]
    logger.setLevel("DEBUG")
    logger.propagate = False
    yield logger.handlers
    logger.handlers = []
    logger.setLevel("NOTSET")
    logger.propagate = True


@pytest.fixture(params=[FORMATTED, processors()], ids=["exceptions formatted by structlog", "and not"])
def log(request: pytest.FixtureRequest, handlers: list[logging.Handler]) -> Iterator[Any]:
    """structlog's logger `pay`."""
    structlog.configure(processors=request.param, logger_factory=structlog.stdlib.LoggerFactory())
    yield structlog.stdlib.get_logger("pay")
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_the_event_is_the_message_and_what_is_beside_it_the_context(log: Any, records: Records) -> None:
    log.info("login", order=7)

    assert (records[0].message, records[0].context) == ("login", {"order": 7})
    assert (records[0].level, records[0].category) == ("INFO", "pay")


def test_an_exception_stands_in_the_context(log: Any, records: Records) -> None:
    try:
        raise ValueError("no such order")
    except ValueError:
        log.exception("failed", order=7)

    context = records[0].context
    assert (records[0].message, records[0].level, set(context)) == ("failed", "ERROR", {"order", "exception"})
    assert context["exception"].startswith("Traceback (most recent call last):\n")
    assert context["exception"].endswith("\nValueError: no such order")


@pytest.mark.parametrize("as_tuple", [True, False])
def test_an_exception_that_was_caught_before_stands_there_too(log: Any, records: Records, as_tuple: bool) -> None:
    error = LookupError("gone")

    log.warning("failed", exc_info=(LookupError, error, None) if as_tuple else error)
    log.info("well", exc_info=None)

    assert records[0].context == {"exception": "LookupError: gone"}
    assert "exception" not in records[1].context


def test_what_is_bound_fills_the_columns(log: Any, handlers: list[logging.Handler], records: Records) -> None:
    handlers[1].addFilter(CorrelationFilter())
    structlog.contextvars.bind_contextvars(correlation_id="req-7", user_id=5, ip="192.0.2.1")

    log.info("request_started", request="GET /orders/", subject="shop.order:7")

    record = records[0]
    assert (record.correlation_id, record.user_id, record.subject) == ("req-7", "5", "shop.order:7")
    assert record.context == {"ip": "192.0.2.1", "request": "GET /orders/"}


@pytest.mark.parametrize(
    "given",
    [
        {"level": "premium", "logger": "theirs"},
        {"message": "hello", "asctime": "noon"},
        {"numbers": [1, 2], "nothing": None},
    ],
    ids=" ".join,
)
def test_what_the_caller_says_is_kept(
    handlers: list[logging.Handler], records: Records, given: dict[str, object]
) -> None:
    plain = logging.StreamHandler()
    plain.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handlers.insert(0, plain)
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        structlog.get_logger("pay").info("login", **given)
    finally:
        structlog.reset_defaults()

    assert (records[0].message, records[0].context) == ("login", given)


def test_a_time_of_the_callers_own_is_kept(handlers: list[logging.Handler], records: Records) -> None:
    bought = datetime(2020, 1, 2, tzinfo=UTC).isoformat()
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        structlog.get_logger("pay").info("bought", timestamp=bought)
    finally:
        structlog.reset_defaults()

    assert records[0].context == {"timestamp": bought}


@pytest.mark.parametrize("renamed", ["message", "msg"])
def test_an_event_that_was_renamed_is_the_message(
    handlers: list[logging.Handler], records: Records, renamed: str
) -> None:
    structlog.configure(
        processors=processors(structlog.processors.EventRenamer(renamed)),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        structlog.get_logger("pay").info("login", order=7)
    finally:
        structlog.reset_defaults()

    assert (records[0].message, records[0].context) == ("login", {"order": 7})


def test_secrets_are_redacted(log: Any, records: Records) -> None:
    log.info("login with password=hunter22", order={"password": "hunter22"})

    assert "hunter22" not in f"{records[0].message} {records[0].context}"


def test_structlogs_own_formatter_still_gets_its_record(
    log: Any, handlers: list[logging.Handler], records: Records
) -> None:
    lines = handlers[0]
    handlers.reverse()  # our handler comes first
    assert isinstance(lines, logging.StreamHandler)
    lines.setStream(stream := io.StringIO())

    log.info("login", order=7)

    assert '"order": 7' in stream.getvalue()
    assert records[0].message == "login"


def test_a_dictionary_that_some_other_logger_logs_is_a_message(
    handlers: list[logging.Handler], records: Records
) -> None:
    logging.getLogger("pay").info({"event": "login"})

    assert (records[0].message, records[0].context) == ("{'event': 'login'}", {})
