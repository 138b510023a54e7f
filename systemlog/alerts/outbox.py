"""The outbox: the messages that wait to be sent, in order for each receiver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min

from systemlog.conf import conf
from systemlog.models import AlertDelivery

LOOKED_AT = 10_000
"""Number of waiting messages to one receiver, oldest first, that one pass looks at."""

CLAIM = timedelta(seconds=15)
"""How long a claim lasts. Then the message is sent again: a request takes ten seconds at most, so the process that
claimed the message has ended."""

GIVE_UP_AFTER = timedelta(days=1)
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 300.0
DELIVERED, GONE, GIVEN_UP, NO_RECEIVER = "delivered", "gone", "given up", "no such receiver"


def next_of_each(receivers_busy: set[str], now: datetime) -> Iterator[AlertDelivery]:
    """Yield the next due message for each receiver that has no request under way.

    A message waits for every earlier message about the same rule, so that `resolved` never overtakes `firing`. While a
    receiver does not answer, all later messages to it wait. After a receiver has refused a message, only later messages
    about the same rule wait. No receiver waits for another.
    """
    waits = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True)
    for receiver in sorted(set(waits.values_list("receiver", flat=True).distinct()) - receivers_busy):
        of_receiver = waits.filter(receiver=receiver).defer("alerts").order_by("id")
        oldest = of_receiver.first()  # it decides most of the time
        if oldest is None or _holds_all(oldest, now):
            continue
        found = oldest if oldest.next_at <= now else _next(of_receiver[:LOOKED_AT], now)
        if found is not None:
            yield found


def _next(deliveries: Iterable[AlertDelivery], now: datetime) -> AlertDelivery | None:
    rules: set[str] = set()
    for delivery in deliveries:
        if _holds_all(delivery, now):
            return None
        if delivery.next_at <= now and not rules.intersection(delivery.rules):
            return delivery
        rules.update(delivery.rules)
    return None


def _holds_all(delivery: AlertDelivery, now: datetime) -> bool:
    """Whether every later message to the receiver waits for this one, which is not due yet."""
    return delivery.holds_all and delivery.next_at > now


def claim(delivery: AlertDelivery, holder: str, now: datetime) -> bool:
    """Claim a message. Returns False if another process was first. Raises `DatabaseError`."""
    found = AlertDelivery.objects.using(conf().DATABASE).filter(
        pk=delivery.pk, done_at__isnull=True, next_at=delivery.next_at, tries=delivery.tries
    )
    delivery.tries += 1
    return bool(found.update(claimed_by=holder, next_at=now + CLAIM, tries=delivery.tries, holds_all=True))


def release(holder: str, now: datetime) -> None:
    """Release the messages that a process of this name had claimed when it ended. Raises `DatabaseError`."""
    claimed = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True, claimed_by=holder)
    claimed.update(claimed_by="", next_at=now)


def finish(delivery: AlertDelivery, outcome: str, now: datetime) -> None:
    """Record the final outcome of a message. Raises `DatabaseError`."""
    rows = AlertDelivery.objects.using(conf().DATABASE).filter(pk=delivery.pk)
    rows.update(done_at=now, outcome=outcome, claimed_by="")


def postpone(delivery: AlertDelivery, now: datetime, *, holds_all: bool) -> None:
    """Schedule a retry of a message that was not delivered. Raises `DatabaseError`.

    With `holds_all`, every later message to the receiver waits for the retry.
    """
    wait_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(delivery.tries - 1, 20))
    rows = AlertDelivery.objects.using(conf().DATABASE).filter(pk=delivery.pk)
    rows.update(next_at=now + timedelta(seconds=wait_s), holds_all=holds_all, claimed_by="")


def hold_until(rule: str, until: datetime) -> None:
    """Hold back, until an instant, the messages that are about this rule alone. Raises `DatabaseError`."""
    for delivery in _of_rule(rule):
        AlertDelivery.objects.using(conf().DATABASE).filter(pk=delivery.pk, claimed_by="").update(
            next_at=until, holds_all=False
        )


def waiting() -> tuple[int, datetime | None]:
    """Return how many messages are not yet delivered, and since when the oldest waits. Raises `DatabaseError`."""
    rows = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True)
    found = rows.aggregate(number=Count("id"), oldest=Min("created_at"))
    return found["number"], found["oldest"]


def _of_rule(rule: str) -> Iterable[AlertDelivery]:
    waiting_ = AlertDelivery.objects.using(conf().DATABASE).filter(done_at__isnull=True, claimed_by="")
    return [delivery for delivery in waiting_ if delivery.rules == [rule]]
