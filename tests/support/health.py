"""Helpers for tests of probes and metrics."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.postgresql import Server

PATIENT_S = 20
"""A deadline of probes in a test that proves nothing about deadlines: a busy machine may take long."""

Probes = Callable[..., None]


AddDatabase = Callable[..., str]


class FreezingRelay:
    """A proxy to PostgreSQL that forwards everything until the client sends a query, and nothing after that."""

    def __init__(self, server: Server) -> None:
        self._target = str(server.home / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listener]
        self.port = self._listener.getsockname()[1]
        self.frozen = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Cut all connections."""
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
            server = socket.socket(socket.AF_UNIX)
            self._open += [client, server]
            server.connect(self._target)
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
            while data := client.recv(2**16):
                if b"transaction_read_only" in data:
                    self.frozen.set()
                    return
                server.sendall(data)
        except OSError:
            return

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(2**16):
                client.sendall(data)
        except OSError:
            return


PROJECT = Path(__file__).parents[2]


class Worker:
    """A separate process that shares its metrics in the directory."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.health.worker"],
            cwd=PROJECT,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *command: object) -> object:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def scrape(self, name: str, **labels: str) -> float | None:
        samples = self.do("scrape")
        assert isinstance(samples, list)
        found = [value for sample, given, value in samples if sample == name and labels.items() <= given.items()]
        assert len(found) <= 1, "a series is there twice"
        return found[0] if found else None

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


StartWorker = Callable[[], Worker]
