"""`manage.py evaluate_alerts`: evaluate the rules of alerts once, and send what waits."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from systemlog.alerts.configuration import is_on
from systemlog.alerts.deliverer import Deliverer
from systemlog.alerts.evaluator import Evaluator
from systemlog.management.terminal import TerminalCommand, counted, first_line, printable


class Command(TerminalCommand):
    """Evaluates every rule over the whole look-back, and sends each message that is due once."""

    help = "Evaluate the rules of alerts once, and send the messages that are due."

    def handle(self, *, verbosity: int, **options: Any) -> None:
        """Evaluate, send, and write what happened."""
        if not is_on():
            raise CommandError("There are no rules: SYSTEMLOG has neither ALERTS nor ALERTS_FILE.")
        try:
            result = Evaluator().evaluate(in_full=True)
            delivered, failed = Deliverer(f"command {uuid.uuid4().hex}").deliver_once()
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The log database does not answer: {first_line(error)}.") from None
        for name, text in result.errors.items():
            self.stderr.write(printable(f"{name}: {text}"))
        if verbosity:
            firing = ", ".join(result.firing) or "none"
            self.stdout.write(
                printable(
                    f"{counted(result.rules, 'rule')} evaluated, firing: {firing}. "
                    f"{counted(delivered, 'message')} delivered, {failed} not."
                )
            )
