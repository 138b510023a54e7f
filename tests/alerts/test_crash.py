"""A short run of `python -m tests.alerts.crash`, with real processes and real kills."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.servers import PROJECT

pytestmark = pytest.mark.e2e


def test_whatever_is_killed_each_alert_is_told_once(pytestconfig: pytest.Config) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.alerts.crash", "--rounds=1", f"--database={pytestconfig.getoption('db')}"],
        check=False,
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("each told once") == (9 if pytestconfig.getoption("db") == "postgresql" else 8)
