"""Private APIs of other packages that this app needs, each with its reason and a test that fails when it changes."""

from __future__ import annotations

import sys


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
