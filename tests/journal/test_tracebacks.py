"""Tracebacks and stacks in the context of a record."""

from __future__ import annotations

import logging
import logging.handlers

import pytest

from systemlog.storage import Row

Logger = logging.Logger
Records = list[Row]


def test_a_traceback_stands_in_the_context_and_exc_text_is_left_alone(logger: Logger, records: Records) -> None:
    taken: list[logging.LogRecord] = []
    last = logging.Handler()
    last.emit = taken.append
    logger.addHandler(last)
    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed")
    finally:
        logger.removeHandler(last)
    assert records[0].context["exception"].endswith("ValueError: no such order")
    assert taken[0].exc_text is None


def test_the_stack_stands_in_the_context(logger: Logger, records: Records) -> None:
    logger.info("where", stack_info=True)
    assert "test_the_stack_stands_in_the_context" in records[0].context["stack"]


def test_a_formatter_of_another_handler_does_not_change_the_traceback(logger: Logger, records: Records) -> None:
    first = logging.Handler()
    first.emit = lambda record: setattr(record, "exc_text", "one line")
    logger.handlers.insert(0, first)

    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed")

    assert records[0].context["exception"].startswith("Traceback (most recent call last):")
    assert records[0].context["exception"].endswith("ValueError: no such order")


def test_a_large_traceback_keeps_its_beginning_and_its_longer_end(logger: Logger, records: Records) -> None:
    def descend(depth: int) -> None:
        if not depth:
            raise ValueError("at the bottom " + "m" * 500)
        (descend if depth % 2 else again)(depth - 1)

    def again(depth: int) -> None:
        descend(depth - 1) if depth else descend(0)

    try:
        descend(800)
    except ValueError:
        logger.exception("failed")

    exception = records[0].context["exception"]
    beginning, _, end = exception.partition("characters cut")
    assert beginning.startswith("Traceback (most recent call last):")
    assert end.endswith("ValueError: at the bottom " + "m" * 500)
    assert len(end) > len(beginning) > 1000


def test_an_exception_with_a_huge_text_keeps_its_type(logger: Logger, records: Records) -> None:
    try:
        raise ValueError("x" * 70_000 + "last words")
    except ValueError:
        logger.exception("failed")

    assert "ValueError: xxx" in records[0].context["exception"]
    assert records[0].context["exception"].endswith("last words")


class BrokenNotes(Exception):
    @property
    def __notes__(self) -> list[str]:
        raise RuntimeError("no notes")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BrokenNotes("x"), id="notes that raise"),
        pytest.param(SyntaxError("bad", ("p.html", 1, 1, b"{{ x")), id="a syntax error with bytes"),
    ],
)
def test_an_exception_that_cannot_be_formatted_is_recorded_by_its_class(
    logger: Logger, records: Records, error: Exception
) -> None:
    try:
        raise error
    except Exception:
        logger.exception("failed")

    assert records[0].message == "failed"
    assert type(error).__qualname__ in records[0].context["exception"]


@pytest.mark.parametrize(("texts", "length"), [(40, 2000), (150, 600), (500, 40_000)])
def test_a_traceback_is_kept_beside_any_number_of_texts(
    logger: Logger, records: Records, texts: int, length: int
) -> None:
    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed", extra={f"field_{number}": "x" * length for number in range(texts)})

    assert records[0].context["exception"].startswith("Traceback (most recent call last):")
    assert records[0].context["exception"].endswith("ValueError: no such order")
