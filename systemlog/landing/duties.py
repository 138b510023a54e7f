"""Duties of the lander: periodic work of the process that holds the lander's lock.

A package registers its duty when the app starts; alerts, for example, register their evaluation. Each duty runs in a
thread of its own, so that a slow statement of one holds up neither landing nor the other duties.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connections

logger = logging.getLogger("systemlog.landing")

END_S = 5.0
"""How long the end of the lander waits for runs under way. Their threads end with the process at the latest."""


@dataclass(frozen=True)
class Duty:
    """Work to be done every few seconds."""

    name: str
    """Names the thread, and the duty in log records."""

    interval: Callable[[], float | None]
    """Returns the seconds from the start of one run to the start of the next, None where the duty is switched off."""

    run: Callable[[Callable[[], bool]], object]
    """Does the work once. A long run asks the function it is given whether the lander is stopping, and then returns.

    Another host's lander may do the same at the same time, so work that only one process may do needs a lock in the
    database.
    """


_registered: dict[str, Duty] = {}


def register(duty: Duty) -> None:
    """Register a duty of the lander. A second duty of the same name replaces the first."""
    _registered[duty.name] = duty


class Duties:
    """The threads of the registered duties, in a lander's process."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a thread for each duty that is switched on."""
        for duty in _registered.values():
            interval_s = duty.interval()
            if interval_s is not None:
                thread = threading.Thread(
                    target=self._repeat, args=(duty, interval_s), name=f"systemlog {duty.name}", daemon=True
                )
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Start no further run, and wait `END_S` for those under way."""
        self._stop.set()
        deadline = time.monotonic() + END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _repeat(self, duty: Duty, interval_s: float) -> None:
        failing = False
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    duty.run(self._stop.is_set)
                    failing = False
                except Exception as error:
                    if isinstance(error, DatabaseError | InterfaceError):
                        with suppress(Exception):  # the next run opens a connection anew
                            connections.close_all()
                    if not failing:
                        logger.exception(
                            "A duty of the lander failed. It is tried again at its next time.",
                            extra={"action": "duty.failed", "duty": duty.name},
                        )
                    failing = True
                self._stop.wait(max(0.0, interval_s - (time.monotonic() - began)))
        finally:
            connections.close_all()
