"""The running API against its own OpenAPI document: schemathesis, in a bounded form.

The long form: `schemathesis run $URL/schema?format=json -H "Authorization: Bearer $TOKEN" --max-examples 1000`
with this folder's schemathesis.toml.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import Platform

pytestmark = pytest.mark.e2e

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def test_the_api_is_as_its_schema_says(platform: Platform) -> None:
    token = platform.token("read", "write")
    with platform.serve() as server:
        command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIGURATION}", "run"]
        command += [f"{server.url}/schema?format=json", f"--header=Authorization: Bearer {token}"]
        done = subprocess.run(
            [*command, "--max-examples=10", "--seed=4"],
            cwd=platform.folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
