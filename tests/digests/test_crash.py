"""The short form of `python -m tests.digests.crash`: real processes, real kills."""

from __future__ import annotations

import pytest

from tests.support.crash_rounds import run_rounds

pytestmark = pytest.mark.e2e


def test_whatever_is_killed_sealing_goes_on_and_attacks_are_told(pytestconfig: pytest.Config) -> None:
    printed = run_rounds("tests.digests.crash", pytestconfig, rounds=1)
    assert printed.count("each attack told") == (17 if pytestconfig.getoption("db") == "postgresql" else 16)
