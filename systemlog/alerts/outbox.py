"""The outbox: messages that wait to be sent, in their order for each receiver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from systemlog.conf import conf
from systemlog.models import AlertDelivery

LOOKED_AT = 1000
"""At most this many waiting messages are looked at in a pass, the oldest first."""

CLAIM = timedelta(seconds=15)
"""A message that was claimed for longer is sent again: its process has ended. A request takes ten seconds at most."""

GIVE_UP_AFTER = timedelta(days=1)
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 300.0
DELIVERED, GONE, GIVEN_UP, NO_RECEIVER = "delivered", "gone", "given up", "no such receiver"


def next_of_each(receivers_busy: set[str], now: datetime) -> Iterator[AlertDelivery]:
    """Yield the message that is due for each receiver that is not busy.

    A message waits for every earlier one about the same rule, so that `resolved` never overtakes `firing`. It waits for
    all earlier ones where the receiver did not answer; a message that the receiver refused holds up its rule alone.
    """
    waiting = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True).order_by("id")[:LOOKED_AT]
    settled = set(receivers_busy)
    blocked: dict[str, set[str]] = {}
    for delivery in waiting:
        if delivery.receiver in settled:
            continue
        rules = blocked.setdefault(delivery.receiver, set())
        if delivery.next_at <= now and not rules.intersection(delivery.rules):
            settled.add(delivery.receiver)
            yield delivery
        elif delivery.next_at > now and delivery.holds_all:
            settled.add(delivery.receiver)
        else:
            rules.update(delivery.rules)


def claim(delivery: AlertDelivery, holder: str, now: datetime) -> bool:
    """Claim a message, and return whether no other process was first. Raises `DatabaseError`."""
    found = AlertDelivery.objects.using(conf().DATABASE).filter(
        pk=delivery.pk, done_at__isnull=True, next_at=delivery.next_at, tries=delivery.tries
    )
    delivery.tries += 1
    return bool(found.update(claimed_by=holder, next_at=now + CLAIM, tries=delivery.tries, holds_all=True))


def release(holder: str, now: datetime) -> None:
    """Make the messages due that a process of this name had claimed when it ended. Raises `DatabaseError`."""
    claimed = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True, claimed_by=holder)
    claimed.update(claimed_by="", next_at=now)


def finish(delivery: AlertDelivery, outcome: str, now: datetime) -> None:
    """Note what became of a message. Raises `DatabaseError`."""
    rows = AlertDelivery.objects.using(conf().DATABASE).filter(pk=delivery.pk)
    rows.update(done_at=now, outcome=outcome, claimed_by="")


def postpone(delivery: AlertDelivery, now: datetime, *, holds_all: bool) -> None:
    """Have a message that was not delivered sent again later. Raises `DatabaseError`."""
    wait_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(delivery.tries - 1, 20))
    rows = AlertDelivery.objects.using(conf().DATABASE).filter(pk=delivery.pk)
    rows.update(next_at=now + timedelta(seconds=wait_s), holds_all=holds_all, claimed_by="")


def hold_until(rule: str, until: datetime) -> None:
    """Send no message about a rule alone before an instant. Raises `DatabaseError`."""
    for delivery in _of_rule(rule):
        AlertDelivery.objects.using(conf().DATABASE).filter(pk=delivery.pk, claimed_by="").update(
            next_at=until, holds_all=False
        )


def waiting() -> Sequence[datetime]:
    """Return since when each message waits that is due or in flight. Raises `DatabaseError`."""
    rows = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True).order_by("id")
    return list(rows.values_list("created_at", flat=True)[:LOOKED_AT])


def _of_rule(rule: str) -> Iterable[AlertDelivery]:
    waiting_ = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True, claimed_by="")
    return [delivery for delivery in waiting_ if delivery.rules == [rule]]
