"""`manage.py import_system_logs FILE…`: store the records of NDJSON files, each once however often it is imported."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from systemlog.ingest.files import BrokenFile, Outcome, import_file
from systemlog.ingest.validation import InvalidRecord
from systemlog.management.terminal import TerminalCommand, counted, first_line, not_empty, printable
from systemlog.retention.compression import ZstandardIsMissing
from systemlog.retention.manifest import Entry, NotInArchive, open_verified, read_manifest

STDIN = "-"
MAX_NAMED = 20
"""How many bad lines a run names on stderr. The number of the others is written for each file."""

PROGRESS_S = 5.0
"""Interval of progress messages where stderr is no terminal, as in cron or a container."""


class Command(TerminalCommand):
    """Imports files, names each bad line on stderr, and counts the bad lines in the summary on stdout."""

    _unverified = False
    _named = 0
    """Number of bad lines that this run has named."""

    help = (
        "Store the records of NDJSON files, plain, gzip or Zstandard; a file that is imported again stores nothing "
        "more. A bad line is named on stderr by its number, and skipped. What archive_system_logs wrote is restored as "
        "it was: name its files, or its directory."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the files, and `--unverified`."""
        parser.add_argument(
            "files", nargs="+", type=not_empty, metavar="FILE", help="an NDJSON file; an archive; - for standard input"
        )
        parser.add_argument(
            "--unverified",
            action="store_true",
            help="import files of an archive whose signature is not valid, by the rules for records from outside",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import one file after the other. A file that cannot be read ends the command with an error."""
        self._named = 0
        self._unverified = options["unverified"]
        names: list[str] = []
        for name in options["files"]:
            if name != STDIN and not Path(name).exists():
                raise CommandError(f"There is no file {name}; nothing was imported.")
            names += _files_of_archive(name) if name != STDIN and Path(name).is_dir() else [name]
        for name in names:
            self._import(name, shown=options["verbosity"] > 0)

    def _import(self, name: str, *, shown: bool) -> None:
        outcome = Outcome()
        shown_name = printable(name)
        unnamed = 0
        interactive = shown and self.stderr.isatty()
        reported_at = time.monotonic()

        def progress(so_far: Outcome) -> None:
            nonlocal outcome, reported_at
            outcome = so_far
            if interactive:
                self.stderr.write(f"\r{shown_name}: {so_far.lines:,} lines", ending="")
            elif shown and time.monotonic() - reported_at >= PROGRESS_S:
                reported_at = time.monotonic()
                self.stderr.write(f"{shown_name}: {so_far.lines:,} lines so far")

        def refuse(number: int, refused: InvalidRecord) -> None:
            nonlocal unnamed
            if self._named < MAX_NAMED:
                self._named += 1
                self.stderr.write(f"{shown_name}:{number}: {printable(str(refused))}")
            else:
                unnamed += 1

        try:
            if name == STDIN:
                import_file(cast(BufferedReader, sys.stdin.buffer), refuse=refuse, progress=progress)
            else:
                with open_verified(Path(name)) as (file, entry):
                    vouched_for = entry is not None and self._is_trusted(name, entry)
                    import_file(file, refuse=refuse, progress=progress, of_archive=vouched_for)
        except (NotInArchive, ZstandardIsMissing) as error:
            raise CommandError(str(error)) from None
        except BrokenFile as error:
            raise CommandError(f"{name}: {error} {self._summary(outcome)}") from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The log database does not answer: {first_line(error)}. {self._summary(outcome)}"
            ) from None
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}. {self._summary(outcome)}") from None
        finally:
            if interactive:
                self.stderr.write("\r", ending="")
            if unnamed:
                lines = counted(unnamed, "more line") + (" was" if unnamed == 1 else " were")
                self.stderr.write(f"{shown_name}: {lines} refused; the first {MAX_NAMED} are named.")
        if outcome.refused and outcome.refused == outcome.lines:
            raise CommandError(f"{name}: {self._summary(outcome)} No line of it is a record.")
        self.stdout.write(f"{shown_name}: {self._summary(outcome)}")

    def _is_trusted(self, name: str, entry: Entry) -> bool:
        """Whether the archive's file is restored as it is, without the rules for records from outside."""
        if entry.is_signed_by_us:
            return True
        if entry.signature and not self._unverified:
            raise CommandError(
                f"The signature of {name} is not valid: the manifest was changed, or signed with another SECRET_KEY. "
                "Put that key into SECRET_KEY_FALLBACKS; or import the file with --unverified, by the rules for "
                "records from outside."
            )
        kind = "is not valid" if entry.signature else "is missing"
        self.stderr.write(
            f"{printable(name)}: its signature in the manifest {kind}; imported by the rules for records from outside."
        )
        return False

    def _summary(self, outcome: Outcome) -> str:
        return (
            f"{counted(outcome.lines, 'record')} read, {outcome.stored} stored, {outcome.repeated} stored before, "
            f"{outcome.refused} refused."
        )


def _files_of_archive(name: str) -> list[str]:
    try:
        entries = read_manifest(Path(name))
    except NotInArchive as error:
        raise CommandError(f"{error} Nothing was imported.") from None
    if not entries:
        raise CommandError(f"{name} is a directory without an archive's manifest; nothing was imported.")
    missing = [entry.file for entry in entries if not (Path(name) / entry.file).is_file()]
    if missing:
        raise CommandError(f"{name} lacks {', '.join(missing)}, which its manifest names; nothing was imported.")
    return [str(Path(name) / entry.file) for entry in entries]
