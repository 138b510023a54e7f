"""`Expect: 100-continue`: the client is told to send its body when the application begins to read it (RFC 9110 10.1.1).

Whoever is refused without a look at the body is refused at once, and does not send it.
"""

from __future__ import annotations

import socket
from typing import Any

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ExpectedBody:
    """gunicorn's reader of the body of `request`, which asks the client for the body before it first reads.

    As long as nobody has read, the connection is to be closed after the response: whether the client will still send
    the body, as it may, nobody can know (RFC 9112, section 9.3).
    """

    def __init__(self, request: Any, connection: socket.socket) -> None:
        self._request = request
        self._connection = connection
        self._reader = request.body.reader
        self._asked = False
        self._must_close, request.must_close = request.must_close, True

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if not self._asked:
            self._asked = True
            self._request.must_close = self._must_close
            self._connection.sendall(CONTINUE)
        data: bytes = self._reader.read(size)
        return data
