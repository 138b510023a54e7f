"""`manage.py regroup_system_logs`: find the error groups of all records anew, and count them anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from systemlog.groups.regrouping import regroup
from systemlog.management.terminal import TerminalCommand, counted, first_line
from systemlog.storage import PartitionInUse


class Command(TerminalCommand):
    """Finds the groups of all records anew."""

    help = (
        "Find the error groups of all records anew, and count them anew from the records. Nothing is changed where "
        "nothing is wrong. Run it once after an upgrade that brings error groups, or other rules for them. It can be "
        "interrupted, and runs beside writers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Group anew, and say what was changed."""
        shown = options["verbosity"] > 1

        def progress(doing: str) -> None:
            if shown:
                self.stderr.write(doing)

        try:
            outcome = regroup(progress=progress)
        except PartitionInUse as error:
            raise CommandError(str(error)) from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        self.stdout.write(
            f"{counted(outcome.records, 'record')} got another group; {counted(outcome.made, 'group')} made, "
            f"{outcome.mended} mended."
        )
