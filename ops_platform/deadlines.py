"""Gives up a PostgreSQL server that falls silent while a request waits for it.

The kernel of a server whose processes are stopped goes on acknowledging, so that no timeout of TCP's ever ends. A
request would hold its thread for as long as that lasts. Whatever is no request waits: the lander, with the records in
the journal, and commands, whose statements may rightly take hours.
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
"""How long a request waits for the answer to a statement. A search is told to end within a second, and so is each page
of an export. Together with `connect_timeout`, for a new connection in place of one that was found dead, it is less than
the 10 s that docs/platform.md promises."""

_serving: ContextVar[bool] = ContextVar("serving", default=False)
"""Whether a request is being answered here."""


def install() -> None:
    """Limit the waiting of this process; where psycopg is not installed there is none to limit."""
    with suppress(ImportError):
        limit_waits(in_time)
        # Under ASGI receivers run in a context of their own; there the handler calls `begin`.
        request_started.connect(begin, dispatch_uid=__name__)
        request_finished.connect(_end, dispatch_uid=__name__)


def in_time(connection: Any, waiting: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """psycopg's `waiting` for an answer on `connection`; it fails, and closes the connection, when it lasts too long.

    psycopg sends it a false value each tenth of a second in which nothing has come.
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
                # Not `close()`, which gives a connection of a pool back to it, and asks the server to end it.
                connection.pgconn.finish()
                raise OperationalError(f"the server has not answered for {SILENCE_S:g} s")
            wanted = waiting.send(ready)
    except StopIteration as end:
        return end.value


def begin(**_: object) -> None:
    """A request begins in this context: a thread of a WSGI server, or a task of an ASGI server."""
    _serving.set(True)


def _end(**_: object) -> None:
    _serving.set(False)
