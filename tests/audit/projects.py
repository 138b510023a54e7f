"""Projects of a test's own, whose models and migrations change between two processes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.servers import fresh_platform

Run = Callable[..., Any]

SETTINGS = """
    import os
    from pathlib import Path
    from ops_platform.environment import database

    BASE_DIR = Path(__file__).parent.parent
    SECRET_KEY = "of-the-tests"
    USE_TZ = True
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    DATABASES = {"default": database(os.environ["DATABASE_URL"])}
    if "sqlite" in os.environ["DATABASE_URL"]:
        DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
    DATABASE_ROUTERS = ["systemlog.router.SystemLogRouter"]
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "systemlog", "shop"]
    SYSTEMLOG = {"SOURCE": "shop", "AUDIT": AUDIT}
    SILENCED_SYSTEM_CHECKS = ["systemlog.W031", "systemlog.W040"]
"""
PRELUDE = """
import json, os
import django
django.setup()
from django.core.checks import run_checks
from django.core.management import call_command
from systemlog.models import SystemLog

def migrate():
    call_command("migrate", verbosity=0)

def complaints():
    return [each.id for each in run_checks(databases=["default"]) if each.id.startswith("systemlog.W11")]

def told():
    call_command("land_system_logs", once=True, verbosity=0)
    found = SystemLog.objects.filter(category__startswith="audit.").order_by("timestamp", "id")
    return [[record.category, record.subject, record.context.get("changes")] for record in found]

def databases():
    return [record.context.get("database") for record in SystemLog.objects.filter(category="audit.create")]
"""


@contextlib.contextmanager
def project(tmp_path: Path, postgresql_url: str | None) -> Iterator[Run]:
    """A function that runs code in a project with these models and this `AUDIT`, and returns its variable `result`."""
    with fresh_platform(tmp_path / "platform", postgresql_url) as platform:
        environment = {name: value for name, value in os.environ.items() if name != "SYSTEMLOG_JOURNAL"}
        environment["DATABASE_URL"] = platform.environment.get("DATABASE_URL") or f"sqlite:///{tmp_path / 'db.sqlite3'}"
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "DJANGO_SETTINGS_MODULE": "shop.settings"}
        # Compiled modules are found by size and second. The project changes within a second.
        environment["PYTHONDONTWRITEBYTECODE"] = "on"
        (tmp_path / "shop/migrations").mkdir(parents=True)
        for path, text in {
            "__init__.py": "",
            "migrations/__init__.py": "",
        }.items():
            (tmp_path / "shop" / path).write_text(textwrap.dedent(text))

        def run(
            code: str, *, audit: Any, models: str = "", migrations: dict[str, str] | None = None, settings: str = ""
        ) -> Any:
            text = textwrap.dedent(SETTINGS).replace("AUDIT}", f"{audit!r}}}") + textwrap.dedent(settings)
            (tmp_path / "shop/settings.py").write_text(text)
            (tmp_path / "shop/models.py").write_text(textwrap.dedent(models))
            for name, migration in (migrations or {}).items():
                (tmp_path / f"shop/migrations/{name}.py").write_text(textwrap.dedent(migration))
            script = PRELUDE + textwrap.dedent(code) + "\nprint(json.dumps(result))\n"
            done = subprocess.run(
                [sys.executable, "-c", script],
                check=False,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout.splitlines()[-1])

        yield run
