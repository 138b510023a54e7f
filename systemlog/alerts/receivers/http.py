"""Sends one POST to an address of the settings, within ten seconds in all.

No redirect is followed, no proxy of the environment is used, and only the status of the answer is read. So a receiver
can neither send the request elsewhere, nor keep it open, nor fill the memory.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from systemlog.exceptions import SystemLogError

TIMEOUT_S = 10.0
AGAIN_S = 0.5
"""Interval at which a connection past its deadline is shut down again, because it may have connected only now."""

GONE = 410
CLIENT_ERRORS = range(400, 500)
NOT_ABOUT_THE_MESSAGE = (401, 403, 404, 407, 408, 425, 429)
"""Client errors that any other message would get as well."""


class Undelivered(SystemLogError):
    """The receiver did not accept a message. The text has no address and no secret.

    `about_message` is true if the receiver refused this one message, and may accept others. `final` is true if a retry
    is pointless.
    """

    def __init__(self, why: str, *, about_message: bool = False, final: bool = False) -> None:
        super().__init__(why)
        self.about_message = about_message
        self.final = final


def check_url(url: object) -> str | None:
    """Return what is wrong with the URL of a receiver, or None if the URL can be used."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return "is no URL of printable ASCII characters"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host:
        return "is no http(s) URL with a host"
    return "has a fragment" if parts.fragment else None


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
    """Send a POST. Raises `Undelivered` unless the receiver answers with a 2xx status in time."""
    parts = urlsplit(url)
    deadline = time.monotonic() + timeout_s
    connection = _connection(parts, timeout_s)
    ended = threading.Event()
    watchdog = threading.Thread(target=_end_at_deadline, args=(connection, ended, timeout_s), daemon=True)
    watchdog.start()
    try:
        connection.connect()
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("POST", path, body, {"Connection": "close", **_authorization(parts), **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline or isinstance(error, TimeoutError):
            raise Undelivered(f"It did not answer within {timeout_s:g} s.") from None
        raise Undelivered(f"It could not be reached: {type(error).__name__}.") from None
    finally:
        ended.set()
        connection.close()
    if time.monotonic() >= deadline:  # an answer that was cut off at the deadline can look complete
        raise Undelivered(f"It did not answer within {timeout_s:g} s.")
    if not 200 <= status < 300:
        raise Undelivered(
            f"It answered with status {status}.",
            about_message=status in CLIENT_ERRORS and status not in NOT_ABOUT_THE_MESSAGE,
            final=status == GONE,
        )


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _authorization(parts: SplitResult) -> dict[str, str]:
    """Return the header for a user and password in the URL."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _end_at_deadline(connection: http.client.HTTPConnection, ended: threading.Event, timeout_s: float) -> None:
    """Shut down the connection at the deadline. A receiver that sends a byte now and then reaches no other timeout."""
    while not ended.wait(timeout_s):
        with suppress(OSError, AttributeError):  # there is no socket before the host is resolved
            connection.sock.shutdown(socket.SHUT_RDWR)
        timeout_s = AGAIN_S
