"""The short form of `python -m tests.audit.crash`: real processes, real kills."""

from __future__ import annotations

import pytest

from tests.support.crash_rounds import run_rounds

pytestmark = pytest.mark.e2e


def test_whatever_is_killed_each_change_is_told_once(pytestconfig: pytest.Config) -> None:
    printed = run_rounds("tests.audit.crash", pytestconfig, rounds=2)
    assert printed.count("each change told once") == (5 if pytestconfig.getoption("db") == "postgresql" else 3)
