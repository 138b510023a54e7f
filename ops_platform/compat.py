"""Private APIs of other packages that the platform uses, each with its reason and a test."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

Waiting = Generator[Any, Any, Any]


def limit_waits(limited: Callable[[Any, Waiting], Waiting]) -> None:
    """Make every wait of a psycopg connection for its server go through `limited`. A second call has no effect.

    psycopg and libpq have a timeout for connecting only. All other waiting goes through `Connection.wait` (psycopg
    3.2 and 3.3). Django has no hook for it: Django creates the connections, and its execute wrappers see neither
    commits, nor COPY, nor the check whether a connection is usable.
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
    """Return whether the client waits for `100 Continue`, and keep gunicorn from sending it.

    gunicorn (26, 27) has an attribute of the request for this, and sends the response before it calls the application.
    """
    if not request._expected_100_continue:
        return False
    request._expected_100_continue = False
    return True


def deferred() -> object:
    """Return the value by which a handler of gunicorn's threaded worker says that a connection shall wait unthreaded.

    gunicorn (26, 27) returns it for a connection that has sent nothing yet. The import is late, because gunicorn reads
    WEB_CONCURRENCY when it is imported.
    """
    from gunicorn.workers.gthread import _DEFER

    return _DEFER


def read_ahead(connection: Any) -> bytes:
    """Return the bytes that gunicorn (26, 27) has read of a connection after its last request."""
    return bytes(connection.parser.unreader.buf.getvalue()) if connection.parser is not None else b""


def ignore_groups(user: Any) -> None:
    """Make `ModelBackend` ignore the permissions of this user's groups, for this object only.

    Django can check only a user's own permissions with an authentication backend of one's own, and introducing one
    would end all sessions. The backend caches the permissions of the groups on the user (Django 5.2 to 6.1).
    """
    user._group_perm_cache = set()
