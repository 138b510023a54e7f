"""`manage.py system_log_quarantine`: list, store or discard the records that could not be landed."""

from __future__ import annotations

from argparse import ArgumentParser
from itertools import groupby
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from systemlog.journal import directory
from systemlog.landing.quarantine import Quarantine, QuarantinedLine
from systemlog.management.terminal import TerminalCommand, first_line, not_empty, printable
from systemlog.records.copy_text import decode, texts
from systemlog.records.repetition import repeats
from systemlog.storage import get_storage

SHOWN_CHARACTERS = 120


class Command(TerminalCommand):
    """Lists the quarantine. `--replay` stores what the database takes now, `--discard` removes what is named."""

    help = "List the records that could not be stored, with the reasons; --replay tries again, --discard gives up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--replay` and `--discard`."""
        actions = parser.add_mutually_exclusive_group()
        actions.add_argument("--replay", action="store_true", help="store what can be stored now, and remove it here")
        actions.add_argument(
            "--discard",
            nargs="+",
            type=not_empty,
            default=[],
            metavar="NAME",
            help="remove for good what the list names: SEGMENT:POSITION, SEGMENT (all its lines), or SEGMENT.segment",
        )

    def handle(self, *, replay: bool, discard: list[str], **options: Any) -> None:
        """List, replay or discard."""
        quarantine = Quarantine(directory.target_folder())
        if discard:
            self._discard(quarantine, discard)
            return
        stored = left = 0
        for segment, lines in groupby(list(quarantine.lines()), key=lambda line: line.segment):
            gone: list[int] = []
            try:
                for line in lines:
                    if replay and self._store(line):
                        gone.append(line.position)
                    else:
                        left += 1
                        self._show(line)
            finally:
                if gone:
                    quarantine.remove(segment, gone)
                    stored += len(gone)
        for path in quarantine.segments():
            if replay:
                quarantine.release(path)
                self.stdout.write(f"{printable(path.name)} is in the journal again.")
            else:
                left += 1
                self.stdout.write(f"{printable(path.name)}: a whole segment that this version could not read")
        self.stdout.write(f"{stored} stored, {left} in quarantine." if replay else f"{left} in quarantine.")

    def _discard(self, quarantine: Quarantine, names: list[str]) -> None:
        try:
            discarded = quarantine.discard(names)
        except LookupError as error:
            raise CommandError(f"{error.args[0]}: nothing was discarded.") from None
        left = directory.count_quarantined(directory.target_folder())
        self.stdout.write(f"{discarded} discarded, {left} in quarantine.")

    def _show(self, line: QuarantinedLine) -> None:
        text = line.data.decode("utf-8", "replace")
        shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
        self.stdout.write(f"{printable(f'{line.name}: {line.reason}')}\n    {printable(shown)}")

    def _store(self, line: QuarantinedLine) -> bool:
        storage = get_storage()
        try:
            row = decode(line.data)
            if not storage.insert([row]):
                (stored,) = storage.find_stored([row[:2]]).values()
                return repeats(stored, texts(line.data))
        except (ValueError, TypeError):
            return False
        except (DatabaseError, InterfaceError) as error:
            if not storage.refuses_rows(error):
                raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
            return False
        return True
