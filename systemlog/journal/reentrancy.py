"""Threads whose records are limited: those that run foreign code for a record, and those that store records.

A `__str__` that logs, asked by a record for its text, would ask for itself without end; what Django's database layer
logs of storing a record would be the next to store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from systemlog.forking import run_after_fork

MAX_NESTED = 3
STORING = -1

threads: dict[int, int] = {}
"""By thread, how many records wait for foreign code, one inside the other, or `STORING`. Empty nearly always, so that
a record pays for no more than seeing that."""


def is_refused(name: object) -> bool:
    """Whether a record of this logger is one too many for the thread that logs it."""
    depth = threads.get(get_ident(), 0)
    return depth >= MAX_NESTED or (depth == STORING and str(name).startswith("django.db"))


class ForeignCode:
    """Code inside is somebody else's, which may log."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        """One deeper."""
        thread = get_ident()
        self._before = threads.get(thread, 0)
        threads[thread] = max(self._before, 0) + 1

    def __exit__(self, *_: object) -> None:
        """As it was."""
        _put_back(self._before)


@contextmanager
def storing_records() -> Iterator[None]:
    """Code inside stores records: what Django's database layer logs of that, in this thread, becomes none."""
    thread = get_ident()
    before = threads.get(thread, 0)
    threads[thread] = STORING
    try:
        yield
    finally:
        _put_back(before)


def _put_back(before: int) -> None:
    if before:
        threads[get_ident()] = before
    else:
        threads.pop(get_ident(), None)  # a process that was forked here forgot it


@run_after_fork
def _begin_anew() -> None:
    # Of the parent's threads one alone goes on here; another may get the number of one that does not.
    threads.clear()
