"""`manage.py land_system_logs`: move the journal into the database, in a process of its own."""

from __future__ import annotations

import os
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from systemlog.conf import conf
from systemlog.journal import directory
from systemlog.landing import DatabaseDown, Lander, LandingService

STOP_S = 1.5
"""After SIGTERM it ends within so long, whatever the database does: what is not landed stays in the journal."""


class Command(BaseCommand):
    """Lands until it is stopped, or once."""

    help = "Move accepted records from the journal into the database, until stopped by SIGTERM; each exactly once."
    requires_system_checks = ["database"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--once."""
        parser.add_argument("--once", action="store_true", help="land what waits now, and end")

    def handle(self, *, once: bool, verbosity: int, **options: Any) -> None:
        """Land."""
        if conf().JOURNAL != "files":
            raise CommandError(f"SYSTEMLOG['JOURNAL'] is {conf().JOURNAL!r}: there is no journal to land.")
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        try:
            folder = directory.target_folder()
            if once:
                self._stopping = threading.Event()
                landed = Lander(folder).land_all(stopping=self._stopping.is_set)
                if verbosity:
                    self.stdout.write(f"{landed} records landed.")
            else:
                self._service = LandingService()
                if verbosity:
                    self.stdout.write(f"Landing what comes into {folder}.")
                self._service.run()
        except directory.JournalUnusable as error:
            raise CommandError(str(error)) from None
        except DatabaseDown as error:
            raise CommandError(f"The log database takes no records: {error}. They wait in {folder}.") from None

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        end = threading.Timer(STOP_S, os._exit, [0])
        end.daemon = True
        end.start()
        for waiting in (getattr(self, "_service", None), getattr(self, "_stopping", None)):
            if isinstance(waiting, LandingService):
                waiting.stop()
            elif waiting is not None:
                waiting.set()
