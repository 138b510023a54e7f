"""`manage.py create_digest_key FILE`: make the key that signs digests."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from systemlog.digests import keys
from systemlog.management.terminal import TerminalCommand, not_empty, printable


class Command(TerminalCommand):
    """Makes a key, and writes the names of its files on stdout."""

    requires_system_checks = []  # the settings may name the file that this command is about to make
    help = (
        "Make the Ed25519 key that signs the digests of the log: the private one in FILE, which its owner alone can "
        "read, the public one in FILE.pub. Set SYSTEMLOG['DIGEST_KEY'] to FILE, and give FILE.pub to auditors."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the file."""
        parser.add_argument("file", type=not_empty, metavar="FILE", help="must not exist; outside the database's host")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key. Never replace one."""
        path = Path(options["file"])
        try:
            public = keys.create(path)
        except keys.KeyUnusable as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"The key {public.id} is in {printable(str(path))}, its public part in {printable(str(path))}.pub."
        )
