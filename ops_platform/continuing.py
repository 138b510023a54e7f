"""`Expect: 100-continue` (RFC 9110, section 10.1.1): `100 Continue` is sent when the application first reads the body.

A client whose request is refused without reading the body gets the response at once, and does not send the body.
"""

from __future__ import annotations

import socket
from typing import Any

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ExpectedBody:
    """Wraps gunicorn's reader of a request body. It sends `100 Continue` before the first read.

    If the body is never read, the connection is closed after the response, because the client may or may not send the
    body (RFC 9112, section 9.3).
    """

    def __init__(self, request: Any, connection: socket.socket) -> None:
        self._request = request
        self._connection = connection
        self._reader = request.body.reader
        self._asked = False
        self._must_close, request.must_close = request.must_close, True

    def read(self, size: int) -> bytes:
        """Return the next bytes of the body."""
        if not self._asked:
            self._asked = True
            self._request.must_close = self._must_close
            self._connection.sendall(CONTINUE)
        data: bytes = self._reader.read(size)
        return data
