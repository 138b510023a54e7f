"""A project under plain gunicorn with two workers: its metrics are right, or a warning says what to set."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import eventually

pytestmark = pytest.mark.any_database

SETTINGS = """
    SECRET_KEY = "of-the-tests"
    USE_TZ = True
    ALLOWED_HOSTS = ["*"]
    ROOT_URLCONF = "urls"
    INSTALLED_APPS = ["health"]
    MIDDLEWARE = ["health.middleware.HealthMiddleware"]
    HEALTH = {"PROBES": {}}
"""
PROJECT = Path(__file__).parent.parent.parent
NEEDLE = "The metrics are those of one process"

StartServer = Callable[..., tuple[str, Path]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[StartServer]:
    """Serve the project by a command, with further variables; gives its address and its log."""
    (tmp_path / "settings.py").write_text(textwrap.dedent(SETTINGS))
    (tmp_path / "urls.py").write_text("urlpatterns = []\n")
    (tmp_path / "project.py").write_text(
        "from django.core.asgi import get_asgi_application\nfrom django.core.wsgi import get_wsgi_application\n"
        "wsgi, asgi = get_wsgi_application(), get_asgi_application()\n"
    )
    with ExitStack() as stack:
        yield lambda *command, **variables: stack.enter_context(_served(tmp_path, command, variables))


@contextmanager
def _served(folder: Path, command: tuple[str, ...], variables: dict[str, str]) -> Iterator[tuple[str, Path]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "log"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings", **variables}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(PROJECT)])
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in command)],
            cwd=folder, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        assert any(eventually(lambda: _answers(url)) for _ in range(6)), log.read_text()
        yield url, log
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/system-health/live", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def get(url: str, path: str) -> str:
    """The answer, on a connection of its own, so that any of the workers gives it."""
    return httpx.get(f"{url}{path}", trust_env=False).text


def counted(url: str) -> float:
    """The requests of no route that a scrape counts."""
    text = get(url, "/system-health/metrics?format=prometheus")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = [s.value for s in samples if s.name == "django_http_requests_total" and s.labels["route"] == "unmatched"]
    return sum(found)


GUNICORN = ("gunicorn", "--workers=2", "--bind=127.0.0.1:{port}", "project:wsgi")
ONE_GUNICORN = ("gunicorn", "--workers=1", "--bind=127.0.0.1:{port}", "project:wsgi")
UVICORN = ("uvicorn", "--workers=2", "--port={port}", "--lifespan=off", "project:asgi")
ONE_UVICORN = ("uvicorn", "--port={port}", "--lifespan=off", "project:asgi")


@pytest.mark.parametrize("command", [GUNICORN, UVICORN], ids=["gunicorn", "uvicorn"])
def test_workers_that_do_not_share_their_metrics_say_so_once_each(serve: StartServer, command: tuple[str, ...]) -> None:
    url, log = serve(*command)

    for _ in range(20):
        counted(url)

    assert 1 <= log.read_text().count(NEEDLE) <= 2
    assert "PROMETHEUS_MULTIPROC_DIR" in log.read_text()


@pytest.mark.parametrize("command", [GUNICORN, UVICORN], ids=["gunicorn", "uvicorn"])
def test_with_a_directory_each_scrape_counts_all(serve: StartServer, tmp_path: Path, command: tuple[str, ...]) -> None:
    url, log = serve(*command, PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"))

    for _ in range(7):
        get(url, "/nowhere")

    assert {counted(url) for _ in range(10)} == {7}
    assert NEEDLE not in log.read_text()


@pytest.mark.parametrize("command", [ONE_GUNICORN, ONE_UVICORN], ids=["gunicorn", "uvicorn"])
def test_a_server_of_one_process_has_nothing_to_say(serve: StartServer, command: tuple[str, ...]) -> None:
    url, log = serve(*command)

    assert counted(url) == 0

    assert NEEDLE not in log.read_text()
