"""A project's own tests, run as the project runs them: what they log stays out of its journal."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FILES = {
    "manage.py": """
        import os
        import sys

        from django.core.management import execute_from_command_line

        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        execute_from_command_line(sys.argv)
    """,
    "pytest.ini": """
        [pytest]
        DJANGO_SETTINGS_MODULE = shop.settings
    """,
    "shop/__init__.py": "",
    "shop/settings.py": """
        from pathlib import Path

        BASE_DIR = Path(__file__).parent.parent
        SECRET_KEY = "of-the-tests"
        USE_TZ = True
        ROOT_URLCONF = "shop.urls"
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
        DATABASE_ROUTERS = ["systemlog.router.SystemLogRouter"]
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "systemlog", "shop"]
        SYSTEMLOG = {"SOURCE": "shop"}
        LOGGING = {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"system_log": {"class": "systemlog.journal.SystemLogHandler"}},
            "root": {"handlers": ["system_log"], "level": "INFO"},
        }
    """,
    "shop/urls.py": """
        import logging

        from django.http import HttpResponse
        from django.urls import path


        def pay(request):
            logging.getLogger("shop").error("a card was refused")
            return HttpResponse()


        urlpatterns = [path("pay", pay)]
    """,
    "shop/tests.py": """
        import logging

        from django.test import TestCase

        from systemlog.testing import captured_records


        class Tests(TestCase):
            def test_pay(self):
                logging.getLogger("shop").error("before the request")
                with captured_records() as records:
                    self.client.get("/pay")
                assert [record.message for record in records] == ["a card was refused"]
                logging.getLogger("shop").error("afterwards")
    """,
}
AT_IMPORT = "import logging\nlogging.getLogger('shop').warning('while the project starts')\n"
RUNNERS = {"Django": ["manage.py", "test"], "pytest": ["-m", "pytest", "-q", "-p", "no:randomly", "shop/tests.py"]}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return tmp_path


@pytest.fixture(params=RUNNERS.values(), ids=RUNNERS.keys())
def runner(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


def run(host: Path, runner: list[str]) -> None:
    project = Path(__file__).parent.parent.parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(host), str(project)])
    done = subprocess.run(
        [sys.executable, *runner], check=False, cwd=host, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def logged_in(host: Path) -> bytes:
    """All that the files of the host's journal hold."""
    return b"".join(file.read_bytes() for file in (host / "var").rglob("*") if file.is_file())


def test_they_leave_nothing_in_the_journal(host: Path, runner: list[str]) -> None:
    run(host, runner)

    assert not (host / "var").exists()


def test_what_was_logged_before_they_were_set_up_changes_nothing(host: Path, runner: list[str]) -> None:
    (host / "shop" / "apps.py").write_text(
        "from django.apps import AppConfig\n\nclass Shop(AppConfig):\n    name = 'shop'\n"
        "    def ready(self):\n        from shop import starting\n"
    )
    (host / "shop" / "starting.py").write_text(AT_IMPORT)

    run(host, runner)

    assert b"while the project starts" in logged_in(host)
    assert b"before the request" not in logged_in(host)
    assert b"afterwards" not in logged_in(host)


def test_a_journal_that_the_settings_name_is_used(host: Path, runner: list[str]) -> None:
    settings = host / "shop" / "settings.py"
    settings.write_text(settings.read_text().replace('"SOURCE": "shop"', '"JOURNAL": "files"'))

    run(host, runner)

    assert b"before the request" in logged_in(host)
