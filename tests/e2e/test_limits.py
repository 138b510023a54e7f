"""Rate limits of the running platform: exact over its workers, whatever is killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.servers import Platform, Server

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]  # the counters are in files

DEADLINE_S = 60


def ask(server: Server, times: int, token: str | None = None, path: str = "/nothing-here") -> Counter[int]:
    """Ask so often, from eight threads with connections of their own."""

    def some(share: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        with server.client(token) as client:
            for _ in range(share):
                with contextlib.suppress(httpx.TransportError):  # its worker was killed
                    statuses[client.get(path).status_code] += 1
        return statuses

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(some, [times // 8] * 8), Counter())


def workers(server: Server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def wait_for_records(server: Server, token: str, action: str) -> list[dict]:
    """The records of the action, when there are any."""
    deadline = time.monotonic() + DEADLINE_S
    with server.client(token) as client:
        while True:
            if found := client.get("/system/logs/", params={"context.action": action}).json()["items"]:
                return found
            assert time.monotonic() < deadline, server.log.read_text()


def test_four_workers_let_in_the_quota_through_kills_and_a_restart(platform: Platform) -> None:
    platform.environment.update({"RATE_LIMIT_IP": "50/1h", "WEB_CONCURRENCY": "4"})
    with platform.serve() as server:  # its first request, with which this waits for it, counts too
        first = ask(server, 200)
        killed = workers(server)[0]
        os.kill(killed, signal.SIGKILL)
        second = ask(server, 80)
        assert killed not in workers(server)
    with platform.serve() as server:
        third = ask(server, 40)
        metrics = httpx.get(f"{server.url}/system-health/metrics?format=prometheus", trust_env=False).text

    assert first == {404: 49, 429: 151}
    assert set(second) == set(third) == {429}
    limited = re.search(r'^systemlog_limited_total\{policy="ip"\} ([0-9.]+)', metrics, re.MULTILINE)
    assert limited is not None
    assert float(limited[1]) == sum(third.values()) + 1  # and the one with which this waited for the server


def test_refusals_are_recorded_once_for_all_workers(platform: Platform) -> None:
    platform.environment.update({"RATE_LIMIT_USER": "5/1h", "WEB_CONCURRENCY": "3"})
    with platform.serve() as server:
        refused = ask(server, 80, platform.token("read"), "/system/logs/")
    assert refused == {200: 5, 429: 75}

    platform.environment.update({"RATE_LIMIT_USER": "10000/1s"})
    with platform.serve() as server:
        told = wait_for_records(server, platform.token("read", "write"), "limits.refused")
    assert [(record["level"], record["context"]["policy"], record["context"]["count"]) for record in told] == [
        ("WARNING", "user", 75)
    ]


def test_both_limits_under_uvicorn(platform: Platform) -> None:
    platform.environment.update({"RATE_LIMIT_IP": "40/1h", "RATE_LIMIT_USER": "5/1h"})
    with platform.serve(asgi=True) as server:
        assert ask(server, 16, platform.token("read"), "/system/logs/") == {200: 5, 429: 11}
        assert ask(server, 40) == {404: 23, 429: 17}
