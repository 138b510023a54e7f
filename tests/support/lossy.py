"""A proxy between a client and a server that loses responses and answers 503.

A list, which repeats, decides about each request. `ok` forwards it. `busy` answers 503 without forwarding it. `lost`
forwards it and closes the connection without a response.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FATES = ("ok", "busy", "ok", "lost", "ok", "ok", "lost")
HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "content-length", "host"}


@contextlib.contextmanager
def lossy_line(target: str, fates: tuple[str, ...] = FATES) -> Iterator[str]:
    """Start a proxy to `target`, and yield its URL. It loses and refuses only requests with a body."""
    host = urlsplit(target).netloc
    turns = itertools.cycle(fates)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def pass_on(self) -> None:
            body = self.body()
            fate = next(turns) if body else "ok"
            if fate == "busy":
                self.send_response(503)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.end_headers()
                return
            connection = http.client.HTTPConnection(host, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            said = answer.read()
            connection.close()
            if fate == "lost":
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            if answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        do_GET = do_HEAD = do_POST = do_PUT = pass_on  # noqa: N815  (names of http.server)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
