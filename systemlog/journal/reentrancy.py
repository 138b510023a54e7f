"""Reentrancy guard. Two kinds of code must not log without limit while a record is handled.

A `__str__` that the handler called may log, and would be called again for that record, without end. Django's database
layer logs queries while records are being stored, and each of those records would have to be stored in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from systemlog.forking import run_after_fork

MAX_NESTED = 3
STORING = -1

threads: dict[int, int] = {}
"""By thread: how many records are waiting for foreign code, nested in each other, or `STORING`. It is empty nearly
always, so a record usually costs no more than this test."""


def is_refused(name: object) -> bool:
    """Whether a record of this logger must be dropped, because its thread is nested too deep or is storing records."""
    depth = threads.get(get_ident(), 0)
    return depth >= MAX_NESTED or (depth == STORING and str(name).startswith("django.db"))


class ForeignCode:
    """Context manager around foreign code that is called for a record, and which may log."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        """Count one more level of nesting."""
        thread = get_ident()
        self._before = threads.get(thread, 0)
        threads[thread] = max(self._before, 0) + 1

    def __exit__(self, *_: object) -> None:
        """Restore the level of nesting."""
        _put_back(self._before)


@contextmanager
def storing_records() -> Iterator[None]:
    """Context manager around storing records: records of `django.db` loggers in this thread are dropped."""
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
        threads.pop(get_ident(), None)  # a fork inside the block has cleared it


@run_after_fork
def _begin_anew() -> None:
    # Only one of the parent's threads lives on in a forked process, and a new thread may get the number of one that
    # does not.
    threads.clear()
