"""`manage.py seal_system_logs [--until TIME]`: sign digests of the hours that have ended."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from systemlog.digests.agreement import ChainsDiffer
from systemlog.digests.chain import DigestsBusy
from systemlog.digests.frontier import HoursInUse
from systemlog.digests.keys import KeyUnusable
from systemlog.digests.outside import OutsideUnusable
from systemlog.digests.sealing import seal
from systemlog.digests.statements import NotAStatement, write_hour
from systemlog.management.progress import ProgressLine
from systemlog.management.terminal import TerminalCommand, counted, first_line
from systemlog.records.times import parse_timestamp

REFUSALS = (KeyUnusable, OutsideUnusable, ChainsDiffer, DigestsBusy, HoursInUse, NotAStatement)


class Command(TerminalCommand):
    """Seals, and writes on stdout what was sealed."""

    help = (
        "Seal every hour of the system log that has ended, from the oldest record on, empty hours too. The lander does "
        "the same by the clock. Repeating it does no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the time."""
        parser.add_argument(
            "--until",
            type=instant,
            metavar="TIME",
            help="seal the hours that ended by this time: 2026-10-01T12:00:00Z, 2026-10-01 (UTC); default: now",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal. A digest chain that this host does not recognize ends the command with an error."""
        try:
            with ProgressLine(self.stderr, quiet=options["verbosity"] == 0) as progress:
                done = 0

                def pace(records: int) -> None:
                    nonlocal done
                    done += records
                    progress(f"{done:,} records hashed")

                outcome = seal(options["until"], pace=pace)
        except REFUSALS as error:
            raise CommandError(f"Nothing was sealed. {error}") from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The log database failed: {first_line(error)}.") from None
        if outcome.refused:
            hours = ", ".join(map(write_hour, outcome.refused))
            raise CommandError(
                f"Late records of these hours cannot be vouched for, because the hours are not as they were sealed: "
                f"{hours}. See verify_system_logs."
            )
        until = f"all hours before {write_hour(outcome.until)} are sealed" if outcome.until else "no hour has ended"
        self.stdout.write(
            f"{counted(outcome.records, 'record')} sealed, {counted(len(outcome.resealed), 'hour')} sealed anew "
            f"with late records; {until}. Head: {outcome.head}"
        )


def instant(text: str) -> datetime:
    """Return the instant of a time or date, as `type=` of an argument."""
    found = parse_timestamp(text) or parse_timestamp(f"{text}T00:00:00Z")
    if found is None:
        # Hours as digests write them, and times without an offset, are UTC.
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ArgumentTypeError("Write a time (2026-10-01T12:00:00Z), or a date (2026-10-01), UTC.") from None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC)
