"""Runs the public W3C trace-context harness against the small project, under gunicorn and uvicorn.

The harness is not a package, so the tests are skipped unless W3C_TRACE_CONTEXT names a checkout of it:

    git clone https://github.com/w3c/trace-context ../trace-context
    pip install aiohttp
    W3C_TRACE_CONTEXT=../trace-context/test pytest tests/correlation/test_w3c_harness.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support.correlation import free_port
from tests.support.servers import Server

HARNESS = os.environ.get("W3C_TRACE_CONTEXT", "")
CASES = 41
TIMEOUT_S = 120

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not HARNESS, reason="W3C_TRACE_CONTEXT names no checkout of the harness"),
]


@pytest.mark.parametrize("path", ["/calls-back", "/async-calls-back"])
def test_every_case_of_level_2_passes(server: Server, path: str) -> None:
    done = subprocess.run(
        [sys.executable, "test.py", server.url + path],
        cwd=HARNESS,
        env={**os.environ, "SPEC_LEVEL": "2", "STRICT_LEVEL": "2", "HARNESS_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stderr
    [ran] = re.findall(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)
    assert int(ran) >= CASES
