"""A fixture for pytest: `pytest_plugins = ["systemlog.pytest_plugin"]` in the project's conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from systemlog.storage import Row
from systemlog.testing import captured_records


@pytest.fixture
def system_log_records() -> Iterator[list[Row]]:
    """The records that the test has made so far. Nothing is stored."""
    with captured_records() as records:
        yield records
