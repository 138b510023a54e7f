"""A probe that hangs behind a middleware that is not asynchronous, under a real ASGI server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.servers import PROJECT, Server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def test_a_probe_that_hangs_holds_up_nobody_but_who_asks_for_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "tests.health.hanging:application", f"--port={port}", "--lifespan=off"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        server.wait_until_it_answers()
        with server.client() as client, ThreadPoolExecutor(20) as pool:

            def ask(path: str) -> httpx.Response:
                return httpx.get(server.url + path, timeout=20, trust_env=False)

            waiting = [pool.submit(ask, "/system-health/ready") for _ in range(20)]
            assert eventually(lambda: client.get("/has-begun").text == "yes")
            assert client.get("/system-health/live").status_code == 200
            assert client.get("/nowhere").status_code == 404
            assert not any(request.done() for request in waiting)
            assert client.get("/release").status_code == 200
            assert {request.result().status_code for request in waiting} == {200}
    finally:
        process.kill()
        process.wait()
