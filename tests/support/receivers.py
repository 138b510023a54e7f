"""A receiver of alerts: an HTTP server in this process that keeps its requests and answers as a test decides."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Received(NamedTuple):
    """A request that the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    """Accepts a POST, and lets a function of the test answer."""

    server: _Server

    def do_POST(self) -> None:
        """Keep the request, then call the function that answers."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.hook.received.append(Received(self.path, headers, body))
        with contextlib.suppress(OSError):
            self.server.hook.answer(self)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    hook: Hook


class Hook:
    """A running receiver: its `url`, the requests that it `received`, and the function that answers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = with_status(200)
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.hook = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def told(self) -> list[tuple[str, str]]:
        """Return the rule and the status of each alert, in the order of arrival."""
        bodies = [request.json for request in self.received]
        alerts = [alert for body in bodies for alert in body.get("alerts", [body])]
        return [(alert["rule"], alert["status"]) for alert in alerts]

    def close(self) -> None:
        """Stop the receiver."""
        self._server.shutdown()
        self._server.server_close()


def with_status(status: int, **headers: str) -> Answer:
    """Return a function that answers with a status at once."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@contextlib.contextmanager
def hook() -> Iterator[Hook]:
    """Run a receiver during the block."""
    running = Hook()
    try:
        yield running
    finally:
        running.close()
