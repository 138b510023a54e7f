"""`manage.py verify_system_logs`: compare the log, and archives, with their signed digests."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from systemlog.digests.chain import Chain
from systemlog.digests.keys import KeyUnusable, PublicKey, public_key, read_public_key
from systemlog.digests.outside import OutsideUnusable, outside
from systemlog.digests.proof import NotProvable, prove
from systemlog.digests.statements import NotAStatement, hour_of, write_hour
from systemlog.digests.verification import Result, verify, verify_chain
from systemlog.management.commands.seal_system_logs import instant
from systemlog.management.progress import ProgressLine
from systemlog.management.terminal import TerminalCommand, counted, first_line, not_empty, printable
from systemlog.records.ids import parse_id
from systemlog.storage import get_storage


class Command(TerminalCommand):
    """Verifies, and writes each hour that differs from its digest on stdout. The exit status is 1 if there is one."""

    requires_system_checks = []  # an auditor's host need not have the private key that the settings name
    help = (
        "Verify that every sealed hour of the system log is as it was sealed, late and pruned records accounted for. "
        "Needs the public key alone. With --prove, print the proof that one record is in the log."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the key, the archives, and what restricts the verification."""
        parser.add_argument("--public-key", type=_path, metavar="FILE.pub", help="default: that of DIGEST_KEY")
        parser.add_argument(
            "--archive", type=_path, action="append", default=[], metavar="DIR", help="read its files too; repeatable"
        )
        parser.add_argument("--hour", type=_hour, metavar="HOUR", help="verify this hour alone: 2026-01-02T03")
        parser.add_argument("--prove", type=_id, metavar="ID", help="print the proof of this record as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify. Nothing is changed."""
        try:
            own = options["public_key"] is None
            key = public_key() if own else read_public_key(options["public_key"])
            if options["prove"]:
                self._prove(key, options["prove"], options["archive"], own=own)
                return
            with ProgressLine(self.stderr, quiet=options["verbosity"] == 0) as progress:
                done = 0

                def pace(records: int) -> None:
                    nonlocal done
                    done += records
                    progress(f"{done:,} records verified")

                archives = tuple(options["archive"])
                result = verify(
                    get_storage(), outside(), key, hour=options["hour"], archives=archives, pace=pace, own=own
                )
        except (KeyUnusable, OutsideUnusable, NotAStatement) as error:
            raise CommandError(str(error)) from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The log database failed: {first_line(error)}.") from None
        if options["hour"] is None and result.until is not None:
            outside().write_verification(held=result.holds)
        self._report(result)

    def _report(self, result: Result) -> None:
        for hour, what in sorted(result.wrong.items(), key=lambda one: (one[0] is not None, one[0] or 0)):
            self.stdout.write(f"{write_hour(hour) if hour else 'the log'}: {printable('; '.join(what))}")
        until = f"until {write_hour(result.until)}" if result.until else "no hour is sealed"
        summary = f"{counted(result.digests, 'digest')}, {counted(result.records, 'record')}, {until}"
        if not result.holds:
            hours = len([hour for hour in result.wrong if hour])
            raise CommandError(f"{counted(hours, 'hour')} not as sealed. Verified: {summary}.")
        if result.until is None:
            self.stdout.write("No hour is sealed: there was nothing to verify.")
            return
        self.stdout.write(f"All hours are as they were sealed. Verified: {summary}.")

    def _prove(self, key: PublicKey, record_id: uuid.UUID, archives: list[Path], *, own: bool) -> None:
        storage = get_storage()
        chain = Chain(storage, outside())
        result = Result()
        states = verify_chain(chain, key, result, own=own)
        if not result.holds:
            self._report(result)
        try:
            proof = prove(storage, chain, states, record_id, archives)
        except NotProvable as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(proof, indent=1, ensure_ascii=False))


def _path(text: str) -> Path:
    return Path(not_empty(text))


def _hour(text: str) -> datetime:
    return hour_of(instant(f"{text}:00" if len(text) == 13 else text))


def _id(text: str) -> uuid.UUID:
    found = parse_id(text)
    if found is None:
        raise ArgumentTypeError("Write the id of a record.")
    return found
