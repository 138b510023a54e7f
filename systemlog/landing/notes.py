"""Deletes, each minute, what the database has noted about landed records and no tail needs any more.

The elected lander does it. With the journal `direct` there is no lander, so the processes that store records do it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from django.db import Error, connections

from systemlog.conf import conf
from systemlog.landing.duties import Duty, register
from systemlog.storage import get_storage

EVERY_S = 60.0

_forgot_at = float("-inf")


def forget(stopping: Callable[[], bool] = lambda: False) -> None:
    """Delete the notes that are too old."""
    get_storage().forget_notes(stopping)


def forget_if_due() -> None:
    """Delete the notes that are too old, at most once a minute in this process. Never raises: the next call retries."""
    global _forgot_at  # noqa: PLW0603  (the time belongs to the process)
    now = time.monotonic()
    if now - _forgot_at >= EVERY_S:
        _forgot_at = now
        with suppress(Error):
            forget()


def register_duty() -> None:
    """Register the deletion as a duty of the elected lander."""
    register(Duty("landing notes", lambda: EVERY_S if _notes_are_written() else None, forget))


def _notes_are_written() -> bool:
    return connections[conf().DATABASE].vendor == "postgresql"
