"""`manage.py prune_system_logs --older-than 30d`: delete old records."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from systemlog.durations import parse_duration
from systemlog.models import Level
from systemlog.retention import LeavesInUse, count_older, prune


class Command(BaseCommand):
    """Prunes; says on stdout how many records went, or with `--dry-run` would go."""

    help = "Delete the records of the system log that are older than a span of time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The age, and what else must hold of a record that goes."""
        parser.add_argument("--older-than", type=_age, required=True, metavar="AGE", help="90s, 15m, 12h, 30d or 2w")
        parser.add_argument(
            "--level", action="append", default=[], type=str.upper, choices=Level.values, help="only these; repeatable"
        )
        parser.add_argument("--category", action="append", default=[], help="only these; repeatable")
        parser.add_argument("--dry-run", action="store_true", help="only say how many records would go")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete in short transactions; safe to interrupt, to repeat, and beside running writers."""
        try:
            self._prune(**options)
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {str(error).splitlines()[0]}") from None

    def _prune(self, **options: Any) -> None:
        before = timezone.now() - options["older_than"]
        chosen = {"levels": options["level"], "categories": options["category"]}
        since = f"older than {before:%Y-%m-%d %H:%M:%S} UTC"
        if options["dry_run"]:
            self.stdout.write(f"{count_older(before, **chosen)} records {since} would be deleted.")
            return
        interactive = options["verbosity"] > 0 and self.stderr.isatty()

        def progress(rows: int) -> None:
            if interactive:
                self.stderr.write(f"\r{rows:,} records deleted", ending="")

        try:
            deleted = prune(before, **chosen, progress=progress)
        except LeavesInUse as error:
            raise CommandError(f"{error.deleted} records {since} deleted. {error}") from None
        finally:
            if interactive:
                self.stderr.write("\r", ending="")
        self.stdout.write(f"{deleted} records {since} deleted.")


def _age(text: str) -> timedelta:
    try:
        age = parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if not age:
        raise ArgumentTypeError("An age of zero would delete everything.")
    return age
