"""`manage.py test_receiver NAME`: send a test message to a receiver of alerts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from systemlog.alerts.configuration import configuration
from systemlog.alerts.fields import nearest
from systemlog.alerts.receivers.http import Undelivered
from systemlog.alerts.trying import try_receiver
from systemlog.management.terminal import TerminalCommand, printable


class Command(TerminalCommand):
    """Sends a message at once, and fails if the receiver does not accept it."""

    help = "Send a test message to a receiver of alerts, and say whether the receiver took it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the receiver."""
        parser.add_argument("name", help="name of the receiver")

    def handle(self, *, name: str, verbosity: int, **options: Any) -> None:
        """Send the message."""
        receivers = configuration().receivers
        if name not in receivers:
            raise CommandError(f"There is no receiver {name!r}. {nearest(name, receivers)}")
        try:
            try_receiver(receivers[name])
        except Undelivered as error:
            raise CommandError(f"{name} did not take the message. {error}") from None
        if verbosity:
            self.stdout.write(printable(f"{name} took the message."))
