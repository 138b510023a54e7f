"""A short run of `python -m tests.groups.crash`, with real processes and real kills."""

from __future__ import annotations

import pytest

from tests.support.crash_rounds import run_rounds

pytestmark = pytest.mark.e2e


def test_whatever_is_killed_each_error_is_counted_once(pytestconfig: pytest.Config) -> None:
    printed = run_rounds("tests.groups.crash", pytestconfig, rounds=1)
    assert printed.count("each counted once") == (7 if pytestconfig.getoption("db") == "postgresql" else 6)
