"""`manage.py serve`: run the platform in production."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from ops_platform import startup, welcome
from systemlog.management.terminal import TerminalCommand

BIND = "127.0.0.1:8000"
MAX_PORT = 65_535
MAX_WAIT_S = 86_400


class Command(TerminalCommand):
    """Migrates the databases, runs the checks, and replaces this process by gunicorn."""

    help = "Migrate every database (one server at a time), run the system checks, and serve under gunicorn."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--bind`, `--workers`, `--threads`, `--wait` and `--welcome`."""
        parser.add_argument(
            "--bind", type=_address, default=BIND, metavar="HOST:PORT", help=f"Address to serve on (default {BIND})."
        )
        parser.add_argument(
            "--workers", type=_positive, metavar="N", help="Processes (default: WEB_CONCURRENCY, or 2)."
        )
        parser.add_argument("--threads", type=_positive, metavar="N", help="Threads of each process (default 16).")
        parser.add_argument(
            "--wait",
            type=_seconds,
            default=15,
            metavar="SECONDS",
            help="How long to wait for databases that do not answer yet (default 15).",
        )
        parser.add_argument(
            "--welcome",
            action="store_true",
            help="On an empty database, create an administrator and a token, and print them.",
        )

    def handle(self, *, bind: str, wait: float, verbosity: int, **options: Any) -> None:
        """Prepare, then exec gunicorn. Raises `CommandError` if a database does not answer."""
        try:
            startup.wait_for_databases(wait)
            with startup.alone(self._tell_that_it_waits):
                startup.migrate(verbosity - 1)
                if options["welcome"]:
                    self.stdout.write(welcome.prepare(f"http://{bind}"))
        except startup.UnreachableError as error:
            raise CommandError(str(error)) from None
        self.check(databases=list(connections))
        connections.close_all()
        arguments = ["-m", "gunicorn", "--config", "python:ops_platform.gunicorn_conf", "--bind", bind]
        for name in ("workers", "threads"):
            if options[name]:
                arguments += [f"--{name}", str(options[name])]
        self.stdout.flush()
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  (no shell is needed)

    def _tell_that_it_waits(self) -> None:
        self.stderr.write("Waiting for another server, which is migrating the same database.")


def _address(value: str) -> str:
    match = re.fullmatch(r"(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})", value, re.ASCII)
    if not (match and int(match[1]) <= MAX_PORT):
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, such as {BIND}, with a port up to {MAX_PORT}")
    return value


def _positive(value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(value)


def _seconds(value: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(value)) <= MAX_WAIT_S:
            return seconds
    raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 to {MAX_WAIT_S}")
