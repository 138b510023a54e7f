"""A journal in a directory of the test's own, and loggers whose records go there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project_settings

from systemlog.journal import SystemLogHandler, directory, sinks
from systemlog.storage import Row
from systemlog.testing import captured_records


@pytest.fixture
def logger() -> logging.Logger:
    """A logger that has the handler alone; by itself, or pytest would add handlers that raise."""
    logger = logging.Logger("tests.journal", logging.DEBUG)  # noqa: LOG001
    logger.addHandler(SystemLogHandler())
    return logger


@pytest.fixture
def records() -> Iterator[list[Row]]:
    """What was recorded so far."""
    with captured_records() as records:
        yield records


@pytest.fixture
def journal(settings: Any, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Has records go to files below `tmp_path`; called with further settings; gives the target's folder."""

    def begin(**more: object) -> Path:
        directory_ = tmp_path / "journal"
        settings.SYSTEMLOG = {
            **project_settings.SYSTEMLOG,
            "JOURNAL": "files",
            "JOURNAL_DIR": str(directory_),
            "SOURCE": "here",
            **more,
        }
        return directory.target_folder()

    yield begin
    sinks.close()
