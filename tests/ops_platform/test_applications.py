"""`ops_platform.wsgi` and `ops_platform.asgi`, as a server imports them."""

import os
import subprocess
import sys

import pytest

from tests.support.servers import PROJECT


@pytest.mark.parametrize("module", ["ops_platform.wsgi", "ops_platform.asgi"])
def test_a_server_that_imports_the_application_need_not_name_the_settings(module):
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
