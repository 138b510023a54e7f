"""Loggers whose records go into the journal, and the records that they made."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from systemlog.journal import SystemLogHandler
from systemlog.storage import Row
from systemlog.testing import captured_records


@pytest.fixture
def logger() -> logging.Logger:
    """A logger that has only our handler, and does not propagate: pytest's own handlers would raise."""
    logger = logging.Logger("tests.journal", logging.DEBUG)  # noqa: LOG001  (outside logging's tree)
    logger.addHandler(SystemLogHandler())
    return logger


@pytest.fixture
def records() -> Iterator[list[Row]]:
    """The records so far."""
    with captured_records() as records:
        yield records
