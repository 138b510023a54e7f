"""Probes and metrics of the platform as it is served: several workers, that die, are replaced and are stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.servers import Platform, Server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

PROBE = {"Host": "10.244.1.7:8000"}


def requests_counted(client: httpx.Client, route: str) -> float:
    """The requests of this route that the server has counted, by a scrape."""
    text = client.get("/system-health/metrics", params={"format": "prometheus"}).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "django_http_requests_total" and sample.labels["route"] == route
    )


def worker_pids(server: Server) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(server.process.pid)], check=True, capture_output=True, text=True)
    return [int(pid) for pid in listed.stdout.split()]


def answers(client: httpx.Client, path: str) -> int | None:
    """The status; None where the connection broke."""
    try:
        return client.get(path, headers=PROBE if path.startswith("/system-health") else None).status_code
    except httpx.HTTPError:
        return None


def send(server: Server, path: str, times: int) -> int:
    """Send requests from four clients at once; how many were answered."""

    def some(share: int) -> int:
        with server.client() as client:
            return sum(answers(client, path) is not None for _ in range(share))

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(some, [times // 4] * 4))


def test_the_probes_answer_a_kubelet(shared_server: Server) -> None:
    with shared_server.client() as client:
        for path in ("/live", "/ready", "/startup", "/metrics", ""):
            for slash in ("", "/"):
                response = client.get(f"/system-health{path}{slash}", headers=PROBE)
                assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
                assert client.head(f"/system-health{path}{slash}", headers=PROBE).content == b""
                assert client.post(f"/system-health{path}{slash}", headers=PROBE, content=b"x" * 100).status_code == 405


def test_the_probes_answer_a_kubelet_under_asgi(shared_asgi_server: Server) -> None:
    with shared_asgi_server.client() as client:
        for path in ("/live", "/ready", "/startup", "/metrics", ""):
            assert client.get(f"/system-health{path}", headers=PROBE).status_code == 200
            assert client.head(f"/system-health{path}", headers=PROBE).content == b""


@pytest.mark.any_database
def test_a_worker_that_is_killed_in_mid_traffic_takes_no_count_with_it(platform: Platform) -> None:
    with platform.serve("--workers=4", "--threads=4") as server, server.client() as client:
        victim = worker_pids(server)[0]
        kill = threading.Timer(0.3, os.kill, (victim, signal.SIGKILL))
        kill.start()
        answered = send(server, "/nowhere", 400)
        kill.join()

        before = requests_counted(client, "unmatched")
        assert answered <= before <= 400
        assert eventually(lambda: victim not in worker_pids(server) and len(worker_pids(server)) == 4)
        assert requests_counted(client, "unmatched") == before


@pytest.mark.any_database
def test_workers_that_come_and_go_never_turn_a_counter_back(platform: Platform) -> None:
    platform.environment["GUNICORN_CMD_ARGS"] = "--max-requests=20"
    counted = []
    answered = 0
    with platform.serve("--workers=2", "--threads=2") as server:
        for _ in range(3):
            answered += send(server, "/system-health/live", 40)
            with server.client() as client:
                counted.append(requests_counted(client, "/system-health/live"))
        run = next((Path(platform.environment["VAR_DIR"]) / "metrics").glob("run-*"))
        counters = list(run.glob("counter_*.db"))

    assert counted == sorted(counted)
    assert answered <= counted[-1] <= 120  # a connection may break with its worker, and nothing is counted
    assert len(counters) <= 6  # of the workers that live, or have just ended


@pytest.mark.any_database
def test_draining_is_seen_by_every_worker(shared_platform: Platform, shared_server: Server) -> None:
    shared_platform.manage("drain")
    try:
        for _ in range(12):
            with shared_server.client() as client:  # a connection each, so that each worker is met
                assert answers(client, "/system-health/ready") == 503
                assert answers(client, "/system-health/live") == 200
    finally:
        shared_platform.manage("drain", "--off")
    with shared_server.client() as client:
        assert answers(client, "/system-health/ready") == 200


@pytest.mark.any_database
def test_a_server_that_starts_is_not_draining(platform: Platform) -> None:
    (Path(platform.environment["VAR_DIR"]) / "draining").touch()

    with platform.serve() as server, server.client() as client:
        assert answers(client, "/system-health/ready") == 200


@pytest.mark.any_database
def test_drain_fails_where_no_server_is_or_the_folder_is_another(platform: Platform) -> None:
    assert "No server looks for" in platform.manage("drain", check=False).stderr
    with platform.serve():
        platform.environment["VAR_DIR"] = str(platform.folder / "mistyped")
        failed = platform.manage("drain", check=False)
    assert failed.returncode == 1
    assert "mistyped/draining" in failed.stderr


@pytest.mark.any_database
def test_sigterm_lets_the_load_balancer_know_before_it_stops(platform: Platform) -> None:
    platform.environment["DRAIN_SECONDS"] = "1"
    with platform.serve() as server:
        server.process.send_signal(signal.SIGTERM)

        with server.client() as client:
            assert eventually(lambda: answers(client, "/system-health/ready") == 503)
            assert answers(client, "/system-health/live") == 200
        assert server.process.wait(timeout=10) == 0


def test_a_database_that_goes_away_is_one_line_in_the_log_and_no_traceback(
    platform: Platform, take_databases_away: Callable[[], None]
) -> None:
    with platform.serve("--workers=1") as server:
        with server.client() as client:
            assert answers(client, "/system-health/ready") == 200
            take_databases_away()
            assert eventually(lambda: answers(client, "/system-health/ready") == 503)
            for _ in range(5):
                assert answers(client, "/system-health/ready") == 503
            assert answers(client, "/system-health/live") == 200
            assert answers(client, "/system-health/metrics") == 200
        log = server.log.read_text()

    assert "Traceback" not in log
    assert len(re.findall(r'"probe": "database:default"', log)) == 1


@pytest.fixture
def take_databases_away(platform: Platform, pytestconfig: pytest.Config) -> Callable[[], None]:
    """Makes the platform's databases unusable while it runs."""
    if pytestconfig.getoption("db") == "postgresql":
        pytest.skip("the server is shared with other tests; test_database_probe has its own")

    def take() -> None:
        for file in platform.folder.glob("*.sqlite3*"):
            file.unlink()

    return take
