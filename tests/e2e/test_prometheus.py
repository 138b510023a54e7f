"""A real Prometheus scrapes the platform as it is served."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.servers import PROJECT, Server
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.any_database,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed"),
]


@pytest.fixture
def prometheus(shared_server: Server, tmp_path: Path) -> Iterator[httpx.Client]:
    """A Prometheus with the configuration of the documentation, pointed at the server."""
    folder = tmp_path / "prometheus"
    shutil.copytree(PROJECT / "docs" / "monitoring", folder)
    configuration = folder / "prometheus.yml"
    text = configuration.read_text().replace("127.0.0.1:8000", shared_server.url.removeprefix("http://"))
    configuration.write_text(text.replace("15s", "1s"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def test_it_is_up_without_an_error_and_its_counters_are_there(prometheus: httpx.Client) -> None:
    def ask(path: str, **parameters: str) -> Any:
        try:
            return prometheus.get(path, params=parameters).json()["data"]
        except (httpx.HTTPError, ValueError, KeyError):
            return {}

    def target() -> dict[str, Any]:
        targets = ask("/targets").get("activeTargets", [])
        return next((target for target in targets if target["labels"]["job"] == "health"), {})

    assert eventually(lambda: target().get("health") == "up"), target()
    assert target()["lastError"] == ""
    assert eventually(
        lambda: ask("/query", query='django_http_requests_total{route="/system-health/metrics"}').get("result")
    )
    for name in ("systemlog_records_landed_total", "systemlog_journal_max_bytes", "health_collector_success"):
        assert eventually(lambda name=name: ask("/query", query=name).get("result")), name
    rules = ask("/rules")["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
