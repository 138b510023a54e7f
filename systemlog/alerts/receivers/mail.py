"""Sends messages as mail, by Django's mail settings.

`EMAIL_TIMEOUT` ends a connection that hangs. The deliverer waits ten seconds at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from smtplib import SMTPException

from django.core.mail import EmailMessage

from systemlog.alerts.receivers.http import Undelivered
from systemlog.alerts.receivers.message import LISTED, Message, line_of


def send(addresses: Sequence[str], message: Message) -> None:
    """Send a mail. A retry has the same Message-ID. Raises `Undelivered`."""
    lines = []
    for alert in message.alerts[:LISTED]:
        lines += [line_of(alert), *([alert["url"]] if alert.get("url") else []), ""]
    if len(message.alerts) > LISTED:
        lines.append(f"and {len(message.alerts) - LISTED} more")
    mail = EmailMessage(
        subject=message.title,
        body="\n".join(lines),
        to=list(addresses),
        headers={"Message-ID": f"<{message.id}@systemlog.alerts>", "Auto-Submitted": "auto-generated"},
    )
    try:
        mail.send()
    except (OSError, SMTPException, ValueError) as error:
        raise Undelivered(f"The mail could not be sent: {type(error).__name__}.") from None
