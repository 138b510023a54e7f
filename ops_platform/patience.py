"""A minimum transfer rate for clients, because a client that sends or reads too slowly occupies a thread.

While a thread waits for a client to send or to read, the client uses up credit. Each byte that arrives, or that the
client reads, gives credit back, up to the initial amount. So a request may take any time as long as it makes progress.
While nearly all threads of the worker are in use, the credit is smaller and the rate higher, because then each slow
client keeps others out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from typing import IO, Any, Self

GRACE_S = 10.0
BYTES_PER_S = 1024
"""A connection that is slower than this for `GRACE_S` is closed."""

CROWDED_GRACE_S = 5.0
CROWDED_BYTES_PER_S = 32 * 1024
"""The rate while nearly all threads are in use."""

HEAD_GRACE_S = 1.0
"""The credit, in a crowded worker, of a request with a long head, for which a thread must wait."""

MAX_HEAD_BYTES = 64 * 1024

POLL_S = 0.5
"""Interval at which the client's progress is checked."""


class Credit:
    """How long a thread may still wait for a client."""

    __slots__ = ("_bytes_per_s", "_grace_s", "left_s")

    def __init__(self, grace_s: float, bytes_per_s: float) -> None:
        self._grace_s = grace_s
        self._bytes_per_s = bytes_per_s
        self.left_s = grace_s

    def note(self, waited_s: float, moved_bytes: int) -> None:
        """Subtract the time waited, and add credit for the bytes moved since the last call."""
        self.left_s = min(self._grace_s, self.left_s + moved_bytes / self._bytes_per_s) - waited_s


class ClientTooSlow(ConnectionResetError):
    """The client was too slow. gunicorn treats it as a connection that the client has closed."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "The client is too slow.")


class PatientSocket(socket.socket):
    """A blocking connection to a client, whose `recv`, `sendall` and `sendfile` raise `ClientTooSlow`."""

    _is_crowded: Callable[[], bool]

    @classmethod
    def take_over(cls, connection: socket.socket, is_crowded: Callable[[], bool]) -> Self:
        """Return a `PatientSocket` for an open connection. The old object must not be used afterwards."""
        timeout = connection.gettimeout()
        patient = cls(connection.family, connection.type, connection.proto, fileno=connection.detach())
        patient.settimeout(timeout)
        patient._is_crowded = is_crowded
        patient._sent_bytes = 0
        patient._taken_bytes = 0
        patient.begin()
        return patient

    _sent_bytes: int
    _taken_bytes: int
    """Bytes that the client had acknowledged at the last check."""

    def begin(self, crowded_grace_s: float = CROWDED_GRACE_S) -> None:
        """Begin a request, or its next part, with full credit."""
        self._usual = Credit(GRACE_S, BYTES_PER_S)
        self._crowded = Credit(crowded_grace_s, CROWDED_BYTES_PER_S)
        self.gave_up = False
        self.is_left_unread = False
        """Whether the server gave up while it still had data to send."""

    def has_whole_head(self, before: bytes = b"") -> bool:
        """Return whether the head (request line and headers) of the next request has arrived.

        `before` holds the bytes that were read already. The result is also True if waiting is pointless: the client has
        ended the connection, or the head is longer than `MAX_HEAD_BYTES`. If it is False, the connection becomes
        readable only when more bytes arrive.
        """
        self.is_whole = False
        try:
            waiting = super().recv(MAX_HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self.is_arriving = bool(before)
            self.is_whole = _ends(before) and _is_whole(before)
            return _ends(before)
        except OSError:
            return True
        if not waiting or len(waiting) == MAX_HEAD_BYTES or _ends(before + waiting):
            self.is_whole = _is_whole(before + waiting)
            if self._wants_more:
                self._wants_more = False
                self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            return True
        self.is_arriving = self._wants_more = True
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(waiting) + 1)
        return False

    is_whole = False
    """Whether the whole body had arrived together with the head, as it usually does for a short request."""

    is_arriving = False
    """Whether a part of the head had arrived."""

    _wants_more = False
    """Whether SO_RCVLOWAT is set, so that the connection becomes readable only with more bytes."""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Work like the method of a socket."""
        if flags or self.gettimeout() is not None:
            return super().recv(bufsize, flags)
        while True:
            try:
                data = super().recv(bufsize, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait(select.POLLIN)
            else:
                self._note(0.0, len(data))
                return data

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Work like the method of a socket."""
        if flags or self.gettimeout() is not None:
            super().sendall(data, flags)
            return
        with memoryview(data) as view, view.cast("B") as rest:
            at = 0
            while at < len(rest):
                try:
                    sent = super().send(rest[at:], socket.MSG_DONTWAIT)
                except BlockingIOError:
                    self._wait(select.POLLOUT)
                else:
                    self._sent_bytes += sent
                    at += sent

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:  # type: ignore[override]  # bytes alone
        """Work like the method of a socket, for a regular file."""
        total = 0
        # For `os.sendfile` only. Python's timeout of the socket stays None.
        os.set_blocking(self.fileno(), False)
        try:
            while count is None or total < count:
                piece = 2**30 if count is None else count - total
                try:
                    sent = os.sendfile(self.fileno(), file.fileno(), offset + total, piece)
                except BlockingIOError:
                    self._wait(select.POLLOUT)
                    continue
                if sent == 0:
                    break
                self._sent_bytes += sent
                total += sent
        finally:
            os.set_blocking(self.fileno(), True)
        return total

    def _wait(self, event: int) -> None:
        """Wait until the connection is ready. Raises `ClientTooSlow`."""
        poll = select.poll()
        poll.register(self.fileno(), event)
        while not self.gave_up:
            began = time.monotonic()
            ready = poll.poll(POLL_S * 1000)
            taken = self._sent_bytes - self._unsent_bytes()
            self._note(time.monotonic() - began, max(0, taken - self._taken_bytes))
            self._taken_bytes = taken
            if ready:
                return
            self.gave_up = self._usual.left_s <= 0 or (self._crowded.left_s <= 0 and self._is_crowded())
        self.is_left_unread = event == select.POLLOUT
        raise ClientTooSlow

    def _note(self, waited_s: float, moved_bytes: int) -> None:
        self._usual.note(waited_s, moved_bytes)
        self._crowded.note(waited_s, moved_bytes)

    def _unsent_bytes(self) -> int:
        """Return the number of bytes that were sent and not yet acknowledged."""
        try:
            answer = fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        except OSError:
            return 0
        return int(struct.unpack("i", answer)[0])


def _ends(head: bytes) -> bool:
    return b"\r\n\r\n" in head.lstrip(b"\r\n")  # a request may follow empty lines


def _is_whole(request: bytes) -> bool:
    head, _, body = request.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if _chunked.search(head):
        return body.endswith(b"0\r\n\r\n")
    length = _length.search(head)
    return length is None or len(body) >= int(length[1])


_chunked = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_length = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})", re.IGNORECASE)


def end_at_once(connection: socket.socket) -> None:
    """Close the connection and discard unsent data, which the kernel would otherwise keep."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        connection.close()
