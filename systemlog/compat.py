"""Private APIs of other packages that this app needs, each with its reason and a test that fails when it changes."""

from __future__ import annotations

import socket
import ssl
import sys

from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest


def in_tests() -> bool:
    """Whether Django's test environment is set up in this process.

    Django keeps what it puts back afterwards in an attribute that it does not document, and has no plainer sign (5.2,
    6.0, 6.1). Its `mail.outbox` is none: the e-mail backend `locmem` makes one, too.
    """
    utilities = sys.modules.get("django.test.utils")
    return hasattr(getattr(utilities, "_TestState", None), "saved_data")


def uses_psycopg3() -> bool:
    """Whether Django's PostgreSQL backend runs on psycopg 3. Raises ImportError where it has no driver at all.

    Django chooses by itself, in a module that it does not document (5.2, 6.0, 6.1).
    """
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def client_has_left(request: HttpRequest) -> bool:
    """Whether the client has closed the connection, or its side of it; False where the server does not show it.

    WSGI has no word for this; gunicorn (21 to 27) puts the socket into the environment. To look at it takes nothing
    away, but would wait where the socket has a timeout.
    """
    connection = request.META.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False  # of an encrypted connection nothing can be looked at without being taken
    if connection.gettimeout() is not None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def binds_on_server(connection: BaseDatabaseWrapper) -> bool:
    """Whether a PostgreSQL connection sends parameters apart from the statement: a message then takes one statement.

    Django keeps the option `server_side_binding` in its settings, and nowhere that it documents for reading.
    """
    return bool(connection.settings_dict.get("OPTIONS", {}).get("server_side_binding"))


def sqlite_error() -> type[Exception]:
    """What a raw cursor of Django's SQLite backend raises, which Django wraps for its own cursors alone."""
    import sqlite3

    return sqlite3.Error
