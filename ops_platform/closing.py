"""Lingering close: closing connections whose clients may still be sending.

If a connection is closed with unread bytes, TCP resets it, and the client may lose the response. So the server first
shuts down its own side, and reads on until the client closes the connection or a timeout ends (RFC 9112, section 9.6).
gunicorn does this in the thread that accepts connections, for up to 2 s each. Here one thread does it for all
connections, and accepting continues meanwhile.
"""

from __future__ import annotations

import queue
import selectors
import socket
import threading
import time

LINGER_S = 2.0
POLL_S = 0.1
PIECE_BYTES = 64 * 1024


class Lingering:
    """The connections that are being closed, and the thread that closes them. It starts with the first connection."""

    def __init__(self) -> None:
        self._arrivals: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._deadlines: dict[socket.socket, float] = {}
        self._thread: threading.Thread | None = None

    def close(self, connection: socket.socket) -> None:
        """End the server's side now, and close the connection when the client has ended its side or after `LINGER_S`.

        Only one thread may call this.
        """
        try:
            connection.setblocking(False)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            connection.close()
            return
        self._arrivals.put(connection)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lingering", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            while not self._deadlines or not self._arrivals.empty():
                self._take(self._arrivals.get())
            for key, _ in self._selector.select(POLL_S):
                self._read(key.data)
            now = time.monotonic()
            for connection in [known for known, deadline in self._deadlines.items() if deadline <= now]:
                self._end(connection)

    def _take(self, connection: socket.socket) -> None:
        self._selector.register(connection, selectors.EVENT_READ, connection)
        self._deadlines[connection] = time.monotonic() + LINGER_S

    def _read(self, connection: socket.socket) -> None:
        try:
            has_more = bool(connection.recv(PIECE_BYTES))
        except BlockingIOError:
            has_more = True
        except OSError:  # reset by the client
            has_more = False
        if not has_more:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._deadlines[connection]
        connection.close()
