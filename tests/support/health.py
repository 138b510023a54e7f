"""What the tests of probes and metrics share."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from tests.support.postgresql import Server

Probes = Callable[..., None]


AddDatabase = Callable[..., str]


class FreezingRelay:
    """Passes everything on to a PostgreSQL, until the client asks something: from then on, nothing."""

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
