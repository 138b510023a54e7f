"""`manage.py accept_system_logs --reason TEXT`: sign the log as it is, after a lawful restore."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from systemlog.digests.accepting import accept
from systemlog.digests.statements import write_hour
from systemlog.management.commands.seal_system_logs import REFUSALS
from systemlog.management.terminal import TerminalCommand, counted, first_line, not_empty


class Command(TerminalCommand):
    """Accepts, and writes each hour that is accepted on stdout."""

    help = (
        "Sign again, as they are now, the hours that differ from their digests. For use after a lawful restore; the "
        "reason stays in the digests. Save the output of verify_system_logs first: later runs do not "
        "report these differences."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the reason."""
        parser.add_argument("--reason", type=not_empty, required=True, metavar="TEXT", help="why this is lawful")

    def handle(self, *args: Any, **options: Any) -> None:
        """Accept."""
        try:
            accepted = accept(options["reason"])
        except REFUSALS as error:
            raise CommandError(f"Nothing was accepted. {error}") from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The log database failed: {first_line(error)}.") from None
        for hour in accepted:
            self.stdout.write(f"{write_hour(hour)}: accepted")
        self.stdout.write(f"{counted(len(accepted), 'hour')} accepted.")
