"""Helpers for tests of correlation."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from django.http import HttpResponse

from systemlog.correlation import current
from tests.support.servers import Server

Get = Callable[..., HttpResponse]


UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


DEADLINE_S = 60


class Recorder(logging.Handler):
    """Keeps each record with the correlation that was current when the handler received it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        correlation = current()
        record.current_id = correlation and correlation.correlation_id
        record.current_user = correlation and correlation.user_id
        self.records.append(record)

    def of(self, logger: str) -> list[logging.LogRecord]:
        return [record for record in self.records if record.name == logger]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def raw(server: Server, request: bytes) -> bytes:
    """Send raw bytes, which no client library would send, and return the whole response."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))
