"""Private APIs of other packages that the project needs, each with its reason and a test that fails when it changes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

Waiting = Generator[Any, Any, Any]


def limit_waits(limited: Callable[[Any, Waiting], Waiting]) -> None:
    """Have every wait of psycopg's connections for their server go through `limited`; twice does no harm.

    psycopg and libpq have a timeout for connecting alone. All other waiting goes through `Connection.wait` (seen in
    3.2 and 3.3). Django has no hook that covers it: it makes the connections itself, and its execute wrappers see
    neither commits, nor COPY, nor the question whether a connection is usable.
    """
    import psycopg

    original = psycopg.Connection.wait
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def wait(self: Any, gen: Any, *arguments: Any, **options: Any) -> Any:
        return original(self, limited(self, gen), *arguments, **options)

    psycopg.Connection.wait = wait  # type: ignore[method-assign]  # see above


def takes_over_continue(request: Any) -> bool:
    """Whether the client waits for `100 Continue`, which gunicorn then leaves to us.

    gunicorn (26, 27) notes it in an attribute of the request, and would send it before the application is called.
    """
    if not request._expected_100_continue:
        return False
    request._expected_100_continue = False
    return True


def deferred() -> object:
    """What a handler of gunicorn's threaded worker gives for a connection that is to wait without a thread.

    gunicorn (26, 27) gives it itself for a connection that has sent nothing yet, and has no other way to say so. It is
    imported late, for gunicorn reads WEB_CONCURRENCY when it is imported.
    """
    from gunicorn.workers.gthread import _DEFER

    return _DEFER


def read_ahead(connection: Any) -> bytes:
    """What gunicorn (26, 27) has read of a connection behind its last request."""
    return bytes(connection.parser.unreader.buf.getvalue()) if connection.parser is not None else b""


def ignore_groups(user: Any) -> None:
    """Have `ModelBackend` find no permission of this user's groups; the object alone is changed.

    Django has no way to ask for a user's own permissions alone but a backend of one's own, whose introduction would end
    all sessions. The backend keeps what it has read of the groups on the user (seen in 5.2 and 6.0).
    """
    user._group_perm_cache = set()
