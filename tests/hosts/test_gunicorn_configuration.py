"""A project made by `startproject`, under gunicorn with the hooks of the docs: only wsgi.py names its settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
HOOKS = "from health.gunicorn import on_starting, share, when_ready\n"
NAMED = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'


@pytest.mark.parametrize("configuration", [HOOKS, NAMED + HOOKS], ids=["settings not named", "settings named"])
def test_the_server_starts(tmp_path: Path, configuration: str) -> None:
    subprocess.run([sys.executable, "-m", "django", "startproject", "shop", tmp_path], check=True)
    with (tmp_path / "shop/settings.py").open("a") as settings:
        settings.write('MIDDLEWARE.insert(0, "health.middleware.HealthMiddleware")\n')
    (tmp_path / "gunicorn.conf.py").write_text(configuration)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", "shop.wsgi"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        assert any("Booting worker" in line for line in server.stderr)
    finally:
        server.terminate()
        server.communicate()
