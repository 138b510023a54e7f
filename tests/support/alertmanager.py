"""Starts an Alertmanager for a test, which posts to a receiver of the test, and stops it at the end.

The program is from Debian's package `prometheus-alertmanager`. If that is not installed, `PROGRAM` is None.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.waiting import eventually

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@contextlib.contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[httpx.Client]:
    """Start an Alertmanager that posts to `webhook`, and yield a client of its API."""
    assert PROGRAM is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "alertmanager.yml"
    route = {"receiver": "tests", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    receiver = {"name": "tests", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    configuration.write_text(json.dumps({"route": route, "receivers": [receiver]}))  # JSON is YAML
    command = [PROGRAM, f"--config.file={configuration}", f"--storage.path={folder}", "--cluster.listen-address="]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:

            def answers() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return client.get("/-/ready").is_success
                return False

            assert eventually(answers), (folder / "alertmanager.log").read_text()
            yield client
    finally:
        process.kill()
        process.wait()
