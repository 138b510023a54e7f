"""`manage.py silence_alert RULE --for 10m`: send no messages about a rule for a time."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from systemlog.alerts.configuration import configuration
from systemlog.alerts.fields import nearest
from systemlog.alerts.silencing import MAX_SILENCE, silence
from systemlog.management.terminal import TerminalCommand, first_line, printable
from systemlog.records.durations import parse_duration


def _span(text: str) -> timedelta:
    try:
        span = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"this is no duration. {error}") from None
    if span > MAX_SILENCE:
        raise ArgumentTypeError(f"a silence lasts {MAX_SILENCE.days} days at most")
    return span


class Command(TerminalCommand):
    """Silences a rule, or ends its silence."""

    help = "Silence an alert rule: it is still evaluated, but no message is sent before the silence ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the rule, `--for` and `--comment`."""
        parser.add_argument("rule", help="name of the rule")
        parser.add_argument("--for", dest="span", type=_span, required=True, help="how long: 10m, 2h, 1d; 0s ends it")
        parser.add_argument("--comment", default="", help="why, for the others")

    def handle(self, *, rule: str, span: timedelta, comment: str, verbosity: int, **options: Any) -> None:
        """Silence the rule, and write until when."""
        rules = configuration().rules
        if rule not in rules:
            raise CommandError(f"There is no rule {rule!r}. {nearest(rule, rules)}")
        try:
            until = silence(rule, span, by=_user(), comment=comment)
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        if verbosity:
            ends = f"is silenced until {until:%Y-%m-%dT%H:%M:%SZ}" if until else "is not silenced"
            self.stdout.write(printable(f"{rule} {ends}."))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # the user of a container may have no name
        return "manage.py"
