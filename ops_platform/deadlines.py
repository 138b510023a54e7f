"""A timeout for statements of requests, for the case that the PostgreSQL server hangs.

If the PostgreSQL processes are stopped, the kernel of their host still acknowledges packets. No TCP timeout ends the
wait then, and the request would hold its thread. Only requests have this timeout. The lander waits, because its records
are safe in the journal. Commands wait too, because their statements may take hours.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from django.core.signals import request_finished, request_started

from ops_platform.compat import limit_waits

SILENCE_S = 4.0
"""Timeout of a statement. A search, and each page of an export, ends within a second anyway. The sum of this and of
`connect_timeout`, for a new connection in place of a dead one, is below the 10 s of docs/platform.md."""

_serving: ContextVar[bool] = ContextVar("serving", default=False)
"""Whether this context is answering a request."""


def install() -> None:
    """Install the timeout in this process. Without psycopg it does nothing."""
    with suppress(ImportError):
        limit_waits(in_time)
        # Under ASGI, receivers run in a context of their own, so the handler calls `begin`.
        request_started.connect(begin, dispatch_uid=__name__)
        request_finished.connect(_end, dispatch_uid=__name__)


def in_time(connection: Any, waiting: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Wrap psycopg's generator `waiting`: it closes `connection` and raises `OperationalError` after `SILENCE_S`.

    psycopg sends the generator a false value each tenth of a second in which nothing has arrived.
    """
    return _limited(connection, waiting) if _serving.get() else waiting


def _limited(connection: Any, waiting: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    from psycopg import OperationalError

    deadline = time.monotonic() + SILENCE_S
    try:
        wanted = next(waiting)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                # `close()` would return a pooled connection to its pool, and send a message to the server.
                connection.pgconn.finish()
                raise OperationalError(f"the server has not answered for {SILENCE_S:g} s")
            wanted = waiting.send(ready)
    except StopIteration as end:
        return end.value


def begin(**_: object) -> None:
    """Mark this context (a thread of a WSGI server, a task of an ASGI server) as answering a request."""
    _serving.set(True)


def _end(**_: object) -> None:
    _serving.set(False)
