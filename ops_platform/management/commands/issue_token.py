"""`manage.py issue_token`: issue an API token."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from ops_platform import tokens
from systemlog.management.terminal import TerminalCommand, first_line
from systemlog.records.durations import parse_duration


class Command(TerminalCommand):
    """Issues an API token to a service user, and prints only the token on stdout."""

    help = (
        "Issue an API token to the service user NAME, created if needed. The permissions of all tokens of NAME "
        "become exactly those given here. Earlier tokens stay valid."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NAME, `--can` and `--expires`."""
        parser.add_argument("name", metavar="NAME", type=_name, help="The service user.")
        parser.add_argument(
            "--can",
            choices=tokens.PERMISSIONS,
            action="append",
            required=True,
            help="What the token may do with the system log. Repeat the option for several rights.",
        )
        parser.add_argument(
            "--expires", metavar="AGE", type=_age, help="How long the token is valid: 12h, 90d, 4w. Default: for ever."
        )

    def handle(self, *, name: str, can: list[str], expires: timedelta | None, **options: Any) -> None:
        """Issue the token."""
        try:
            token = tokens.issue(name, can, expires)
        except tokens.NotAServiceUserError:
            raise CommandError(
                f"{name!r} is a person's account (staff, or with a password, an e-mail address or a login), or is "
                "not active. Choose another name for the service."
            ) from None
        except Error as error:
            raise CommandError(f"The token was not issued, because the database failed: {first_line(error)}.") from None
        allowed = " and ".join(sorted(set(can)))
        self.stderr.write(f"{name} may {allowed} system logs. Its earlier tokens, if any, stay valid.")
        self.stdout.write(token)


def _name(value: str) -> str:
    if not re.fullmatch(r"[\w.@+-]{1,150}", value):
        raise argparse.ArgumentTypeError("use 1 to 150 letters, digits and @ . + - _")
    return value


def _age(value: str) -> timedelta:
    if not re.fullmatch(r"[1-9][0-9]{0,4}[hdw]", value, re.ASCII):
        raise argparse.ArgumentTypeError("use a number and h, d or w, such as 90d")
    return parse_duration(value)
