"""`manage.py land_system_logs`: move the journal into the database, in a process of its own."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from systemlog.audit.draining import drain_waiting
from systemlog.conf import conf
from systemlog.journal import backends, directory
from systemlog.landing import DatabaseDown, Lander, LandingService
from systemlog.management.terminal import TerminalCommand, counted, first_line, printable

DRAIN_PAUSE_S = 0.2
STOP_S = 1.5
"""The process ends this long after SIGTERM, whatever the database does. What is not landed stays in the journal."""


class Command(TerminalCommand):
    """Lands until it is stopped, or once."""

    help = "Move accepted records from the journal into the database, until stopped by SIGTERM; each exactly once."
    # No check that asks the database, as Django 6.1 runs with the tag "database": the command starts while the database
    # hangs.
    requires_system_checks = ["compatibility", "files"]

    _end: Callable[[], None] | None = None
    """Makes the lander return after the pass under way."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--once`."""
        parser.add_argument("--once", action="store_true", help="land what waits now, and end")

    def handle(self, *, once: bool, verbosity: int, **options: Any) -> None:
        """Land until SIGTERM, or once."""
        kind = backends.kind()
        if kind != "files" and conf().AUDIT:
            self._drain(once, verbosity)
            return
        if kind != "files":
            raise CommandError(f"SYSTEMLOG['JOURNAL'] is {kind!r}: there is no journal to land.")
        with self._ending_in_time():
            self._land(once, verbosity)

    def _land(self, once: bool, verbosity: int) -> None:
        try:
            folder = directory.target_folder()
            if once:
                stopping = threading.Event()
                self._end = stopping.set
                landed = Lander(folder).land_all(stopping=stopping.is_set)
                if verbosity:
                    self.stdout.write(f"{counted(landed, 'record')} landed.")
            else:
                service = LandingService()
                self._end = service.stop
                if verbosity:
                    self.stdout.write(f"Landing what comes into {printable(str(folder))}.")
                self.stdout.flush()  # a pipe would hold the line back, because the command does not end
                service.run()
        except directory.JournalUnusable as error:
            raise CommandError(str(error)) from None
        except DatabaseDown as error:
            raise CommandError(
                f"The log database takes no records: {first_line(error)}. They wait in {folder}."
            ) from None

    def _drain(self, once: bool, verbosity: int) -> None:
        """Land only what waits in the audit outboxes, for a process without a journal."""
        stopping = threading.Event()
        self._end = stopping.set
        with self._ending_in_time():
            try:
                while not stopping.wait(0 if once else DRAIN_PAUSE_S):
                    landed = drain_waiting(entries=sys.maxsize, seconds=math.inf)
                    if once:
                        if verbosity:
                            self.stdout.write(f"{landed} changes landed.")
                        return
            except (OperationalError, InterfaceError) as error:
                raise CommandError(f"The audit outbox cannot be landed: {printable(first_line(error))}") from None

    @contextmanager
    def _ending_in_time(self) -> Iterator[None]:
        """Context manager: the process ends in time after SIGTERM or SIGINT.

        A driver may hang in this thread, and then no signal handler of Python runs. So the number of the signal also
        arrives in a pipe, and another thread reads the pipe.
        """
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        ended = threading.Event()

        def watch() -> None:
            if os.read(reading, 1) and not ended.wait(STOP_S):
                self.stderr.write("The log database does not answer; what is not landed stays in the journal.")
                os._exit(0)

        watching = threading.Thread(target=watch, name="systemlog end", daemon=True)
        before = [(number, signal.signal(number, self._stop)) for number in (signal.SIGTERM, signal.SIGINT)]
        signal.set_wakeup_fd(writing)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            signal.set_wakeup_fd(-1)
            os.close(writing)
            watching.join()
            os.close(reading)
            for number, handler in before:
                signal.signal(number, handler)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        if self._end is not None:
            self._end()
