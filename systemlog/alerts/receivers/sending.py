"""Makes receivers from the entries of the settings. A receiver can send a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from systemlog.alerts.fields import Mistake, check_keys
from systemlog.alerts.receivers import alertmanager, mail, slack, webhook
from systemlog.alerts.receivers.http import check_url
from systemlog.alerts.receivers.message import Message

KINDS = {
    "alertmanager": ("alertmanager",),
    "webhook": ("webhook", "secret"),
    "slack": ("slack",),
    "email": ("email",),
}
"""The key that identifies a kind of receiver, and all keys of that kind."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver. Only the function `send` has its address and secret, so that no `repr` can show them."""

    name: str
    kind: str
    send: Callable[[Message, datetime], None]

    def __repr__(self) -> str:
        return f"<Receiver {self.name}: {self.kind}>"


def make_receiver(name: str, given: object) -> Receiver:
    """Return the receiver made from an entry. Raises `Mistake`, whose text repeats no value of the entry."""
    if not isinstance(given, Mapping):
        raise Mistake(name, "is no object", "Write {'webhook': 'https://…', 'secret': 'whsec_…'}.")
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        check_keys(given, [key for keys in KINDS.values() for key in keys])
        raise Mistake(kinds[1] if kinds else "webhook", "stands beside another" if kinds else "is missing", HINT)
    kind = kinds[0]
    check_keys(given, KINDS[kind])
    address: Any = given[kind]
    if kind == "email":
        return Receiver(name, kind, _mail(address))
    if wrong := check_url(address):
        raise Mistake(kind, wrong, "Write an address such as 'https://hooks.example.com/alerts'.")
    if kind == "alertmanager":
        return Receiver(name, kind, lambda message, now: alertmanager.send(address, message, now))
    if kind == "slack":
        return Receiver(name, kind, lambda message, now: slack.send(address, message))
    key = webhook.read_secret(given["secret"]) if "secret" in given else None
    if "secret" in given and key is None:
        raise Mistake("secret", "is no secret of Standard Webhooks", "Write 'whsec_' and 24 to 64 bytes in base64.")
    return Receiver(name, kind, lambda message, now: webhook.send(address, key, message, now))


HINT = f"A receiver has one of {', '.join(map(repr, KINDS))}."


def _mail(addresses: Any) -> Callable[[Message, datetime], None]:
    if not isinstance(addresses, list | tuple) or not addresses:
        raise Mistake("email", "is no list of addresses", "Write ['ops@example.com'].")
    for address in addresses:
        try:
            validate_email(address)
        except (ValidationError, TypeError):
            raise Mistake("email", "has an entry that is no address", "Write ['ops@example.com'].") from None
    return lambda message, now: mail.send(addresses, message)
