"""The registry of the parts of the operations page. Parts run in parallel, each in its own thread, with a timeout.

An app adds a part with `register`. A part that raises or hangs is shown as failed and does not affect the others.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from systemlog.exceptions import SystemLogError
from systemlog.storage import BudgetSpent

TIMEOUT_S = 4.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page. `read` takes the user and returns a `Report`, or None if the feature is not in use.

    A part of another page than operations may return any object that the template of that page can show.
    """

    name: str
    title: str
    read: Callable[[Any], Any]
    order: int = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """The result of a part: a report, or the reason why there is none."""

    part: Part
    report: Any
    failure: str = ""


class _Run:
    """One run of a part, in a thread. After the timeout nobody waits for the thread; its statement timeouts end it."""

    def __init__(self, part: Part, user: Any) -> None:
        self.shown: Shown | None = None
        self._part = part
        self._user = user
        self._given_up = False
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._read,), name=f"operations {part.name}", daemon=True
        )
        self._thread.start()

    def is_running(self) -> bool:
        """Return whether the run has not ended yet."""
        return self._thread.is_alive()

    def hangs(self) -> bool:
        """Return whether the run has not ended, though the timeout of its page is over."""
        return self._given_up and self.is_running()

    def wait(self, until: float) -> Shown | None:
        """Wait for the result until a time of the monotonic clock. Return None if the run has not ended by then."""
        self._thread.join(max(0.0, until - time.monotonic()))
        self._given_up = True
        return self.shown

    def _read(self) -> None:
        try:
            self.shown = Shown(self._part, self._part.read(self._user))
        except Exception as error:
            self.shown = Shown(self._part, None, _in_words(error))
            logger.exception(
                "A part of the operations page failed.",
                extra={"action": "console.part_failed", "part": self._part.name},
            )
        finally:
            connections.close_all()


def _in_words(error: Exception) -> str:
    """Return why a part failed, safe to show. The text of other packages' exceptions goes only to the log."""
    if isinstance(error, BudgetSpent):
        return "The database took too long."
    if isinstance(error, OperationalError | InterfaceError):
        return "The database does not answer."
    return f"It failed: {error}" if isinstance(error, SystemLogError) else f"It failed: {type(error).__name__}."


_parts: dict[str, Part] = {}
_running: dict[str, list[_Run]] = {}
_lock = threading.Lock()


def register(part: Part) -> None:
    """Add a part to the page. A second part of the same name replaces the first."""
    _parts[part.name] = part


def registered() -> list[Part]:
    """Return all parts in the order of the page."""
    return sorted(_parts.values(), key=lambda part: (part.order, part.name))


def show(parts: Iterable[Part], user: Any, timeout_s: float | None = None) -> list[Shown]:
    """Run the parts in parallel, and return the results of all parts that are in use."""
    until = time.monotonic() + (TIMEOUT_S if timeout_s is None else timeout_s)
    runs = [(part, _start(part, user)) for part in parts]
    shown = []
    for part, run in runs:
        result = run.wait(until) if run else None
        if result is None:
            shown.append(Shown(part, None, "It gave no answer in time."))
        elif result.report or result.failure:
            shown.append(result)
    return shown


def _start(part: Part, user: Any) -> _Run | None:
    """Start a run, or return None while an earlier run hangs. So a part that hangs does not occupy ever more threads.

    A run that another page waits for is no reason to fail: two users may look at the same time.
    """
    with _lock:
        running = [run for run in _running.get(part.name, ()) if run.is_running()]
        if any(run.hangs() for run in running):
            return None
        run = _Run(part, user)
        _running[part.name] = [*running, run]
        return run
