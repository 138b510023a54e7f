"""Sends the messages in the outbox, in order for each receiver, and repeats firing alerts to each Alertmanager.

One thread queries the database. Each request runs in a thread of its own, so that a receiver that hangs does not delay
the others. A message is claimed, sent, and marked as sent. After a crash in between, it is sent again under the same
id.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from django.db.models import QuerySet

from systemlog.alerts import outbox
from systemlog.alerts.configuration import configuration
from systemlog.alerts.receivers.alertmanager import RESEND_S
from systemlog.alerts.receivers.http import TIMEOUT_S, Undelivered
from systemlog.alerts.receivers.message import Message
from systemlog.alerts.receivers.sending import Receiver
from systemlog.alerts.records import LOGGER
from systemlog.alerts.rows import state_of
from systemlog.alerts.states import FIRING, Transition
from systemlog.alerts.telling import Told
from systemlog.conf import conf
from systemlog.models import Alert, AlertDelivery

logger = logging.getLogger(LOGGER)

POLL_S = 0.5
BUSY_POLL_S = 0.02
GRACE_S = 0.5
"""How long after its timeout a request is abandoned. A request ends at its timeout by itself, unless it hangs in a call
without one."""

NO_ANSWER = Undelivered(f"It did not answer within {TIMEOUT_S:g} s.")


class Deliverer:
    """Delivers messages repeatedly. `holder` is the name under which it claims them."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._sending: dict[str, Request] = {}
        """The request to each receiver that is under way, or whose outcome is not yet recorded."""
        self._resent_at: dict[str, float] = {}
        self._failing: set[str] = set()
        self._is_first = True

    def run(self, stopping: Callable[[], bool], may_send: Callable[[], bool]) -> None:
        """Deliver until `stopping()` is true. Raises `DatabaseError`; the next run still knows the requests under way.

        Requests are sent only while `may_send()` is true.
        """
        idle = threading.Event()
        while not stopping():
            self.step(may_send=may_send())
            idle.wait(BUSY_POLL_S if self._sending else POLL_S)

    def deliver_once(self) -> tuple[int, int]:
        """Try each due message once. Returns how many messages were delivered, and how many failed."""
        delivered = failed = 0
        idle = threading.Event()
        self._resend(datetime.now(UTC))
        while True:
            outcomes = self.step(may_send=True, may_resend=False)
            delivered += sum(outcomes)
            failed += len(outcomes) - sum(outcomes)
            if not self._sending:
                return delivered, failed
            idle.wait(BUSY_POLL_S)

    def step(self, *, may_send: bool, may_resend: bool = True) -> list[bool]:
        """Record the outcomes of the requests that ended, and begin new requests.

        Returns for each recorded outcome whether the message was delivered. Raises `DatabaseError`.
        """
        now = datetime.now(UTC)
        if self._is_first:
            outbox.release(self._holder, now)
            self._is_first = False
        outcomes = list(self._note_outcomes(now))
        if may_send:
            for delivery in outbox.next_of_each(set(self._sending), now):
                self._begin(delivery, now)
            if may_resend:
                self._resend(now)
        return outcomes

    def _begin(self, delivery: AlertDelivery, now: datetime) -> None:
        receiver = configuration().receivers.get(delivery.receiver)
        if receiver is None:  # another host may have newer settings, which name the receiver
            if now - delivery.created_at > outbox.GIVE_UP_AFTER:
                outbox.finish(delivery, outbox.NO_RECEIVER, now)
        elif outbox.claim(delivery, self._holder, now):
            message = Message(delivery.message_id, delivery.alerts)
            self._sending[receiver.name] = Request(receiver, message, now, delivery)

    def _note_outcomes(self, now: datetime) -> Iterator[bool]:
        for name, request in list(self._sending.items()):
            if not request.has_ended():
                continue
            if request.delivery is not None:
                self._note(request.delivery, request.error, now)
                yield request.error is None
            del self._sending[name]

    def _note(self, delivery: AlertDelivery, error: Undelivered | None, now: datetime) -> None:
        context = {"receiver": delivery.receiver, "message_id": str(delivery.message_id), "reason": str(error)}
        if error is None:
            outbox.finish(delivery, outbox.DELIVERED, now)
            self._failing.discard(delivery.receiver)
        elif error.final or now - delivery.created_at > outbox.GIVE_UP_AFTER:
            outbox.finish(delivery, outbox.GONE if error.final else outbox.GIVEN_UP, now)
            logger.warning("A message about alerts was given up.", extra={"action": "alerts.given_up", **context})
        else:
            outbox.postpone(delivery, now, holds_all=not error.about_message)
            if delivery.receiver not in self._failing:
                self._failing.add(delivery.receiver)
                logger.warning(
                    "A message about alerts was not delivered. It is sent again.",
                    extra={"action": "alerts.undelivered", **context},
                )

    def _resend(self, now: datetime) -> None:
        """Send the firing alerts to each Alertmanager that has no message under way."""
        for receiver in configuration().receivers.values():
            last = self._resent_at.get(receiver.name, float("-inf"))
            if receiver.kind != "alertmanager" or time.monotonic() - last < RESEND_S or receiver.name in self._sending:
                continue
            self._resent_at[receiver.name] = time.monotonic()
            if alerts := [_alert(row) for row in _firing() if receiver.name in row.receivers]:
                self._sending[receiver.name] = Request(receiver, Message(uuid.uuid4(), alerts), now, None)


class Request:
    """A request in a thread of its own."""

    def __init__(self, receiver: Receiver, message: Message, now: datetime, delivery: AlertDelivery | None) -> None:
        self.delivery = delivery
        self.error: Undelivered | None = None
        self._ended = threading.Event()
        self._late_at = time.monotonic() + TIMEOUT_S + GRACE_S
        self._arguments = receiver, message, now
        threading.Thread(target=self._send, name="systemlog alert", daemon=True).start()

    def has_ended(self) -> bool:
        """Whether the outcome is known. It is known at the latest `GRACE_S` after the timeout."""
        if not self._ended.is_set() and time.monotonic() > self._late_at:
            self.error = NO_ANSWER
            return True
        return self._ended.is_set()

    def wait(self) -> None:
        """Wait for the outcome. Raises `Undelivered`."""
        if not self._ended.wait(TIMEOUT_S + GRACE_S):
            raise NO_ANSWER
        if self.error is not None:
            raise self.error

    def _send(self) -> None:
        receiver, message, now = self._arguments
        try:
            receiver.send(message, now)
        except Undelivered as error:
            self.error = error
        except Exception as error:  # noqa: BLE001  (a bug in our code must not end the retries; its text may hold a secret)
            self.error = Undelivered(f"It could not be sent: {type(error).__name__}.")
        finally:
            self._ended.set()


def _firing() -> QuerySet[Alert]:
    return Alert.objects.using(conf().DATABASE).filter(state=FIRING, told=True)


def _alert(row: Alert) -> dict[str, object]:
    state = state_of(row)
    rule = configuration().rules.get(row.rule)
    return Told(row.rule, rule, row.labels, row.receivers, Transition(FIRING, state, is_told=True)).alert()
