"""`manage.py prune_system_logs`: delete old records, by the policies of the settings or by its own flags."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError

from systemlog.conf import conf
from systemlog.digests.agreement import ChainsDiffer
from systemlog.digests.keys import KeyUnusable
from systemlog.digests.outside import OutsideUnusable
from systemlog.digests.statements import NotAStatement
from systemlog.management.progress import ProgressLine
from systemlog.management.terminal import TerminalCommand, counted, first_line, not_empty
from systemlog.models import Level
from systemlog.records.durations import parse_duration
from systemlog.retention.archive import ArchiveFailed
from systemlog.retention.compression import ZstandardIsMissing
from systemlog.retention.manifest import NotInArchive
from systemlog.retention.policies import policies_in_force, read_policies
from systemlog.retention.prune import ArchiveTo, ClockLooksWrong, NoPolicy, NowhereToArchive, plan, prune
from systemlog.storage.expiry import Policy

REFUSALS = (
    NoPolicy,
    NowhereToArchive,
    ClockLooksWrong,
    ArchiveFailed,
    NotInArchive,
    ZstandardIsMissing,
    # What is removed must be accounted for in the digests, where there are any.
    ChainsDiffer,
    KeyUnusable,
    OutsideUnusable,
    NotAStatement,
)


class Command(TerminalCommand):
    """Prunes, and writes how many records were deleted, or with `--dry-run` would be, partition by partition."""

    help = (
        "Delete old records of the system log, by SYSTEMLOG['RETENTION'] or, with --older-than, by age, level and "
        "category. Also makes partitions ahead, merges old ones and indexes those that are over: run it daily."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the age, and what else restricts the records to delete."""
        parser.add_argument("--older-than", type=_age, metavar="AGE", help="90s, 15m, 12h, 30d, 2w or 7y")
        parser.add_argument(
            "--level", action="append", default=[], type=str.upper, choices=Level.values, help="only these; repeatable"
        )
        parser.add_argument(
            "--category",
            action="append",
            default=[],
            type=not_empty,
            help="only these; repeatable; 'web.*' for all that begin so",
        )
        parser.add_argument("--dry-run", action="store_true", help="only print what would be deleted, by partition")
        parser.add_argument("--trust-clock", action="store_true", help="prune even if the clock looks wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete records in short transactions. This is safe to interrupt, to repeat, and to run beside writers."""
        if options["older_than"] is None and (options["level"] or options["category"]):
            raise CommandError("--level and --category narrow --older-than, which is missing.")
        try:
            policies = _policies(**options)
            if options["dry_run"]:
                self._show_plan(policies)
            else:
                self._prune(policies, trust_clock=options["trust_clock"], verbosity=options["verbosity"])
        except REFUSALS as error:
            raise CommandError(str(error)) from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        except OSError as error:
            raise CommandError(f"{conf().ARCHIVE_DIR} cannot be written: {error.strerror}. Prune again then.") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted; run it again to go on.", returncode=130) from None

    def _show_plan(self, policies: Sequence[Policy]) -> None:
        total = 0
        for step in plan(policies):
            total += step.expired
            span = f"{step.partition.span.lower:%Y-%m-%d} to {step.partition.span.upper:%Y-%m-%d}"
            self.stdout.write(f"{step.partition.name}  {span}  {step.expired} of {step.rows}  {step.action.value}")
        self.stdout.write(f"{counted(total, 'record')} would be deleted.")

    def _prune(self, policies: Sequence[Policy], *, trust_clock: bool, verbosity: int) -> None:
        directory = conf().ARCHIVE_DIR
        archive_to = ArchiveTo(Path(directory), conf().ARCHIVE_COMPRESSION) if directory else None
        with ProgressLine(self.stderr, quiet=verbosity == 0) as progress:
            outcome = prune(policies, archive_to=archive_to, trust_clock=trust_clock, progress=progress)
        done = f"{counted(outcome.deleted, 'record')} deleted."
        if outcome.archived:
            done = f"{counted(outcome.archived, 'record')} archived, {done}"
        if outcome.in_use:
            held = ", ".join(outcome.in_use)
            raise CommandError(f"{done} Open transactions hold {held}: prune again when they have ended.")
        self.stdout.write(done)


def _policies(**options: Any) -> tuple[Policy, ...]:
    if options["older_than"] is None:
        policies = read_policies(conf().RETENTION)
    else:
        levels, categories = tuple(options["level"]), tuple(options["category"])
        policies = (Policy(keep=options["older_than"], levels=levels, categories=categories),)
    return policies_in_force(policies, conf().ARCHIVE_DIR) if policies else ()


def _age(text: str) -> timedelta:
    try:
        age = parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if not age:
        raise ArgumentTypeError("An age of zero would delete everything.")
    return age
