"""`manage.py drain`: take this instance out of service, or put it back."""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from health.draining import NoDrainFile, drain_file, is_watched, start_draining, stop_draining

MAX_WAIT_S = 86_400


class Command(BaseCommand):
    """Creates or removes the drain file, which makes readiness answer 503 in every worker."""

    help = "Take this instance out of service: readiness answers 503 from now on, and requests are still served."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--wait` (for a preStop hook) and `--off`."""
        parser.add_argument(
            "--wait",
            type=_seconds,
            default=0,
            metavar="SECONDS",
            help="return after this time, when no more traffic comes",
        )
        parser.add_argument("--off", action="store_true", help="put the instance back into service")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the drain file, or remove it."""
        try:
            was_marked = (file := drain_file()) is not None and file.exists()
            if options["off"]:
                stop_draining()  # first, because a server may be about to start
            if not is_watched() and not (options["off"] and was_marked):
                raise CommandError(
                    f"No server looks for {drain_file()}. Is one running, with the same HEALTH['DRAIN_FILE']?"
                )
            if options["off"]:
                self.stdout.write("In service again.")
                return
            start_draining()
        except NoDrainFile as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The drain file cannot be written: {error}. Set HEALTH['DRAIN_FILE'].") from error
        self.stdout.write("Draining.")
        time.sleep(options["wait"])


def _seconds(value: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(value)) <= MAX_WAIT_S:
            return seconds
    raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 to {MAX_WAIT_S}")
