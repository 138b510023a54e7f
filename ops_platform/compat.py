"""Private APIs of other packages that the platform uses, each with its reason and a test."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Generator, Mapping
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.http import parse_header_parameters

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
    """Return the value with which a handler of gunicorn's threaded worker lets a connection wait without a thread.

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

    Without this, checking only a user's own permissions would need an authentication backend of our own, and
    introducing one would end all sessions. Django's backend caches the permissions of the groups on the user (Django
    5.2 to 6.1).
    """
    user._group_perm_cache = set()


class _UTF8(HttpRequest):
    """A request that ignores `charset`, and is read as UTF-8."""

    def _set_content_type_params(self, meta: Mapping[str, str]) -> None:
        # As Django's own method (5.2, 6.0, 6.1), without setting the encoding.
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class UTF8WSGIRequest(_UTF8, WSGIRequest):
    """A request under WSGI that is read as UTF-8 (the handler's `request_class`; Django 5.2 to 6.1)."""


class UTF8ASGIRequest(_UTF8, ASGIRequest):
    """A request under ASGI that is read as UTF-8 (the handler's `request_class`; Django 5.2 to 6.1)."""


def has_pending_migrations(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a migration is not applied. `migrate --check` would print a plan and exit (Django 5.2 to 6.1)."""
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def token_digest(token: str) -> str:
    """Return the digest by which knox (5.0) stores a token."""
    from knox.crypto import hash_token

    digest: str = hash_token(token)
    return digest


def wait_for_data(seconds: float) -> None:
    """Set how long a thread of gunicorn's threaded worker waits for a connection's data (gunicorn 26, 27).

    It is a constant of the module. A connection without a first byte then waits without a thread, like idle ones, and a
    connection whose response is sent and whose body is incomplete is closed.
    """
    from gunicorn.workers import gthread

    gthread.DEFAULT_WORKER_DATA_TIMEOUT = seconds


def is_new(connection: Any) -> bool:
    """Return whether gunicorn's threaded worker (26, 27) has not seen the connection before (`initialized`)."""
    return not connection.initialized


def closes_by(connection: Any, close: Callable[..., None]) -> None:
    """Have gunicorn's threaded worker (26, 27) close the connection by `close(graceful=…)`, not by `TConn.close`."""
    connection.close = close


def closes_itself(connection: Any) -> None:
    """Undo `closes_by`. That also ends the reference cycle, so that the connection is freed at once."""
    del connection.close


def discard_body(connection: Any, deadline: float) -> bool:
    """Read the rest of a body until the time of the monotonic clock. Return whether it ended (gunicorn 26, 27)."""
    return bool(connection.parser.finish_body(deadline=deadline))


def stop_accepting(worker: Any) -> None:
    """Keep gunicorn's threaded worker (26, 27) from accepting connections, and close its sockets."""
    worker.set_accept_enabled(False)
    for listener in worker.sockets:
        listener.close()


def log_through_root(logger: Any, configuration: Any) -> None:
    """Have gunicorn's `Logger` (26, 27) pass its messages to the root logger, and write no access log.

    This replaces its `setup`, which adds handlers of its own. gunicorn reads the attributes that are set here.
    """
    logger.cfg = configuration
    logger.loglevel = logging.INFO
    logger.error_log.setLevel(logger.loglevel)
    logger.error_log.propagate = True
    logger._access_log_enabled = False


def keyed_digest(purpose: str, text: str) -> str:
    """Return the HMAC-SHA256 of the text, in hexadecimal, with a key of SECRET_KEY and the purpose.

    Django documents `Signer`, whose signatures are no file names on every file system (`salted_hmac`; 5.2 to 6.1).
    """
    return salted_hmac(purpose, text, algorithm="sha256").hexdigest()
