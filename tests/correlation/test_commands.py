"""Each run of a management command has a correlation id."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.correlation import UUID
from tests.support.servers import PROJECT


def id_of_a_run() -> str:
    code = "from systemlog.correlation import get_correlation_id; print(get_correlation_id())"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", code],
        cwd=PROJECT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_each_run_of_a_command_has_an_id_of_its_own() -> None:
    first, second = id_of_a_run(), id_of_a_run()

    assert re.fullmatch(UUID, first)
    assert first != second
