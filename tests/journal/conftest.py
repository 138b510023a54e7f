"""Loggers whose records go into the journal, and what they recorded."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from systemlog.journal import SystemLogHandler
from systemlog.storage import Row
from systemlog.testing import captured_records


@pytest.fixture
def logger() -> logging.Logger:
    """A logger that has the handler alone; by itself, or pytest would add handlers that raise."""
    logger = logging.Logger("tests.journal", logging.DEBUG)  # noqa: LOG001  (outside logging's tree)
    logger.addHandler(SystemLogHandler())
    return logger


@pytest.fixture
def records() -> Iterator[list[Row]]:
    """What was recorded so far."""
    with captured_records() as records:
        yield records
