"""`manage.py archive_system_logs --before 30d --to DIR`: write old records to compressed files."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from systemlog.conf import conf
from systemlog.management.commands.prune_system_logs import REFUSALS
from systemlog.management.progress import ProgressLine
from systemlog.management.terminal import TerminalCommand, counted, first_line, not_empty, printable
from systemlog.records.durations import parse_duration
from systemlog.records.times import parse_timestamp
from systemlog.retention.compression import SUFFIXES
from systemlog.retention.prune import ArchiveTo, archive_older, prune
from systemlog.storage.expiry import Policy


class Command(TerminalCommand):
    """Archives records, and writes on stdout how many records the archive got."""

    help = (
        "Write the records older than an age or an instant to compressed NDJSON files, one for each partition, with a "
        "manifest; each file is read again and compared. import_system_logs restores them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the age, the directory, the compression, and whether to prune."""
        parser.add_argument(
            "--before", type=_instant, required=True, metavar="AGE|TIME", help="30d; 2026-10-01; 2026-10-01T12:00:00Z"
        )
        parser.add_argument("--to", type=_directory, required=True, metavar="DIR", help="made if it does not exist")
        parser.add_argument("--compression", choices=list(SUFFIXES), default=None, help="default: ARCHIVE_COMPRESSION")
        parser.add_argument("--prune", action="store_true", help="delete what was archived and verified")

    def handle(self, *args: Any, **options: Any) -> None:
        """Archive. This is safe to interrupt and to repeat: what is in the archive already is not written twice."""
        before: datetime = options["before"]
        to = ArchiveTo(options["to"], options["compression"] or conf().ARCHIVE_COMPRESSION)
        now = datetime.now(UTC)
        if before > now:
            raise CommandError("--before lies in the future.")
        try:
            with ProgressLine(self.stderr, quiet=options["verbosity"] == 0) as progress:
                if options["prune"]:
                    policy = Policy(keep=now - before, archive=True)
                    outcome = prune([policy], archive_to=to, progress=progress, now=now)
                else:
                    outcome = archive_older(before, to, progress=progress)
        except REFUSALS as error:
            raise CommandError(str(error)) from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        except OSError as error:
            raise CommandError(f"{options['to']} cannot be written: {error.strerror}. Nothing was deleted.") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted; run it again to go on.", returncode=130) from None
        archived = counted(outcome.archived, "record")
        verb = "is" if outcome.archived == 1 else "are"
        summary = f"{archived} older than {before:%Y-%m-%d %H:%M:%S} UTC {verb} in {options['to']}"
        if options["prune"]:
            summary += f", {outcome.deleted} deleted"
        if outcome.in_use:
            held = ", ".join(outcome.in_use)
            raise CommandError(f"{summary}. Open transactions hold {held}: run it again when they have ended.")
        self.stdout.write(f"{printable(summary)}.")


def _directory(text: str) -> Path:
    return Path(not_empty(text))


def _instant(text: str) -> datetime:
    if (instant := parse_timestamp(text) or parse_timestamp(f"{text}T00:00:00Z")) is not None:
        return instant
    try:
        return datetime.now(UTC) - parse_duration(text)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            "Write an age (30d), a date (2026-10-01, UTC) or a time as RFC 3339 has it (2026-10-01T12:00:00Z)."
        ) from None
