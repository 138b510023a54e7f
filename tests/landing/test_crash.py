"""The short form of `python -m tests.crash`: real processes, real kills."""

from __future__ import annotations

import pytest

from tests.support.crash_rounds import run_rounds

pytestmark = pytest.mark.e2e


def test_whatever_is_killed_each_accepted_record_is_stored_once(pytestconfig: pytest.Config) -> None:
    printed = run_rounds("tests.crash", pytestconfig, rounds=3)
    assert printed.count("each stored once") == (6 if pytestconfig.getoption("db") == "postgresql" else 4)
