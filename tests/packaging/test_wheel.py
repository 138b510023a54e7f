"""The apps as a stranger installs them: from the wheel, into a project of their own, by the README's words."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.ops_platform import readme
from tests.support.servers import PROJECT

APPS = ("systemlog", "health")

# Runs inside the stranger's project, in a process of its own.
TRIAL = """
import json, logging
import django
django.setup()
from django.contrib.auth import get_user_model
from django.test import Client
import health, systemlog
from systemlog.models import SystemLog

client = Client(raise_request_exception=False, SERVER_NAME="localhost")
problem = client.get("/nowhere", headers={"X-Request-ID": "of-the-caller"})
client.force_login(get_user_model().objects.create_superuser("ada"))
created = client.post("/system/logs/", {"message": "hello"}, content_type="application/json")
refused = client.post("/system/logs/", {"message": ""}, content_type="application/json")
print(json.dumps({
    "homes": [systemlog.__file__, health.__file__],
    "problem": problem.json(),
    "problem_type": problem.headers["Content-Type"],
    "problem_id": problem.headers["X-Request-ID"],
    "created": [created.status_code, created.json()],
    "refused": [refused.status_code, refused.json()],
    "rows": list(SystemLog.objects.exclude(category__startswith="audit.").values_list("message", flat=True)),
    "live": client.get("/system-health/live").status_code,
    "ready": client.get("/system-health/ready").json(),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for app in APPS:
        shutil.copytree(PROJECT / app, source / app, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = target.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def project(wheel, tmp_path_factory):
    """A new Django project on SQLite that did what the README says."""
    folder = tmp_path_factory.mktemp("project")
    run("pip", "install", "--quiet", "--no-deps", "--no-index", f"--target={folder}", str(wheel), cwd=folder)
    run("django", "startproject", "shop", str(folder), cwd=folder)
    for file, code in readme.snippets().items():
        path = folder / "shop" / file
        path.write_text(f"{path.read_text()}\n\n{code}")
    run("django", "check", cwd=folder)
    run("django", "migrate", "--verbosity=0", cwd=folder)
    return folder


def run(module, *arguments, cwd):
    """`python -m module` with the installed packages and the project, and without this checkout."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(cwd),
        "DJANGO_SETTINGS_MODULE": "shop.settings" if (cwd / "shop").exists() else "",
    }
    command = [sys.executable, *(["-m", module] if module else []), *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trial(project):
    return json.loads(run("", "-c", TRIAL, cwd=project).splitlines()[-1])


def files_of(wheel):
    return set(zipfile.ZipFile(wheel).namelist())


def test_it_holds_the_apps_and_not_the_platform(wheel):
    packages = {name.partition("/")[0] for name in files_of(wheel) if not name.partition("/")[0].endswith(".dist-info")}
    assert packages == set(APPS)


def test_it_holds_every_file_of_the_apps(wheel):
    expected = {
        path.relative_to(PROJECT).as_posix()
        for app in APPS
        for path in (PROJECT / app).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert expected - files_of(wheel) == set()
    assert {"systemlog/py.typed", "health/py.typed", "systemlog/migrations/0001_initial.py"} <= files_of(wheel)


def test_the_project_uses_what_was_installed(trial, project):
    assert all(Path(home).is_relative_to(project) for home in trial["homes"])


def test_its_errors_are_problems_with_a_correlation_id(trial):
    assert trial["problem_type"] == "application/problem+json"
    assert trial["problem"]["status"] == 404
    assert trial["problem"]["correlation_id"] == trial["problem_id"] == "of-the-caller"
    status, problem = trial["refused"]
    assert status == problem["status"] == 400
    assert problem["errors"][0]["pointer"] == "#/message"


def test_its_log_stores_a_record(trial):
    status, record = trial["created"]
    assert status == 201
    assert record["message"] == "hello"
    assert trial["rows"] == ["hello"]


def test_its_probes_answer(trial):
    assert trial["live"] == 200
    assert trial["ready"]["status"] == "ready"
    assert trial["ready"]["db_ok"] is True


def test_without_the_driver_of_postgresql_it_works_on_sqlite(project):
    code = (
        "import sys; sys.modules['psycopg'] = sys.modules['psycopg_pool'] = None; import django; django.setup();"
        "from django.core.management import call_command; call_command('check'); call_command('system_log_partitions')"
    )
    run("", "-c", code, cwd=project)


def test_its_migrations_are_complete(project):
    run("django", "makemigrations", "--check", "--dry-run", cwd=project)
