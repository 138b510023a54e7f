"""A project with Celery as its documentation has it, and a real worker with its defaults: a pool of processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from systemlog.audit.actor import decode
from systemlog.storage import Row
from tests.journal.reading import rows_in

DEADLINE_S = 60

FILES = {
    "shop/__init__.py": "from shop.celery import app\n",
    "shop/celery.py": """
        import os

        from celery import Celery

        from systemlog.correlation.integrations.celery import connect

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        app = Celery("shop")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()
        connect()
    """,
    "shop/tasks.py": """
        import logging

        from celery import shared_task
        from celery.utils.log import get_task_logger


        @shared_task
        def charge(order):
            logging.getLogger("shop.orders").info("charged", extra={"order": order})
            get_task_logger(__name__).info("by Celery's own logger")


        @shared_task
        def promote(name):
            from django.contrib.auth.models import Group

            Group.objects.create(name=name)


        @shared_task
        def refund(order):
            raise LookupError("no such order")
    """,
    "shop/settings.py": """
        from pathlib import Path

        BASE_DIR = Path(__file__).parent.parent
        SECRET_KEY = "of-the-tests"
        USE_TZ = True
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
        DATABASE_ROUTERS = ["systemlog.router.SystemLogRouter"]
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "systemlog", "shop"]
        SYSTEMLOG = {"JOURNAL_DIR": str(BASE_DIR / "journal"), "AUDIT": {"auth.Group": {}}}
        LOGGING = {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"system_log": {"class": "systemlog.journal.SystemLogHandler"}},
            "root": {"handlers": ["system_log"], "level": "INFO"},
        }
        CELERY_BROKER_URL = "filesystem://"
        CELERY_BROKER_TRANSPORT_OPTIONS = {
            "data_folder_in": BASE_DIR / "queue",
            "data_folder_out": BASE_DIR / "queue",
            "control_folder": BASE_DIR / "control",
            "polling_interval": 0.05,
        }
        CELERY_RESULT_BACKEND = f"file://{BASE_DIR / 'results'}"
    """,
    "send.py": """
        import sys

        import shop.celery  # makes the settings known
        import django

        django.setup()
        from celery.result import AsyncResult
        from shop.tasks import charge, promote, refund
        from systemlog.correlation import correlated

        with correlated("req-7"):
            charged, promoted, refunded = charge.delay(7), promote.delay("packers"), refund.delay(8)
        charged.get(timeout=50, interval=0.05)
        promoted.get(timeout=50, interval=0.05)
        refunded.get(timeout=50, interval=0.05, propagate=False)
    """,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the project."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    for name in ("queue", "control", "results"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def recorded(project: Path) -> list[Row]:
    """What was recorded when a worker had run both tasks and was stopped."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CELERY_"))}
    environment["PYTHONPATH"] = os.pathsep.join((str(project), str(Path(__file__).parents[2])))
    migrate = [sys.executable, "-m", "django", "migrate", "--settings=shop.settings", "--verbosity=0"]
    subprocess.run(migrate, check=True, cwd=project, env=environment)
    output = project / "worker.log"
    with output.open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "shop", "worker", "--concurrency=1"],
            cwd=project,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        sent = subprocess.run(
            [sys.executable, "send.py"],
            check=False,
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert sent.returncode == 0, sent.stderr + output.read_text()
        worker.send_signal(signal.SIGTERM)
        worker.wait(DEADLINE_S)
    finally:
        worker.kill()
        worker.wait()
    (folder,) = (project / "journal").iterdir()
    return rows_in(folder)


def of(recorded: list[Row], category: str) -> list[Row]:
    return [row for row in recorded if row.category == category]


def test_what_a_task_logs_is_recorded_with_the_id_that_it_was_sent_from(recorded: list[Row]) -> None:
    (row,) = of(recorded, "shop.orders")
    assert (row.message, row.level, row.correlation_id) == ("charged", "INFO", "req-7")
    assert row.context["order"] == 7


def test_what_a_task_logs_by_celerys_own_logger_is_recorded_too(recorded: list[Row]) -> None:
    (row,) = of(recorded, "shop.tasks")
    assert (row.message, row.correlation_id) == ("by Celery's own logger", "req-7")


def test_what_a_task_changes_is_audited_with_the_id_that_it_was_sent_from(project: Path, recorded: list[Row]) -> None:
    with closing(sqlite3.connect(project / "db.sqlite3")) as connection:
        found = connection.execute("SELECT op, new, ctx FROM system_audit_outbox WHERE tbl = 'auth_group'").fetchall()
    ((op, new, who),) = found
    assert op == "i"
    assert "packers" in new
    assert decode(who)["c"] == "req-7"


def test_a_task_that_fails_is_recorded_with_its_traceback(recorded: list[Row]) -> None:
    (row,) = [row for row in recorded if row.level == "ERROR"]
    assert row.correlation_id == "req-7"
    assert row.context["exception"].endswith("LookupError: no such order")
