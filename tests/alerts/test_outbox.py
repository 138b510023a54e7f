"""Tests of the messages in the outbox: their order, their retries, and when they are given up."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from systemlog.alerts import outbox
from systemlog.alerts.deliverer import Deliverer
from systemlog.alerts.reading import health
from systemlog.alerts.silencing import silence
from systemlog.models import Alert, AlertDelivery, SystemLog
from tests.alerts.conftest import Clock, Records, Rules
from tests.support.receivers import Handler, Hook, with_status

SPIKE = {"name": "spike", "min_level": "ERROR", "more_than": 5, "within": "10s"}


def test_what_a_receiver_refuses_is_sent_again_under_the_same_id(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    assert clock.deliver() == (0, 0)
    hook.answer = with_status(200)
    clock.passes(1.1)
    assert clock.deliver() == (1, 0)
    first, second = hook.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_retries_come_later_and_later_and_end_after_a_day(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        assert clock.deliver() == (0, 0)
        clock.passes(seconds + 0.1)
        assert clock.deliver() == (0, 1)
    clock.passes(86_400)
    clock.deliver()
    assert AlertDelivery.objects.get().outcome == outbox.GIVEN_UP
    clock.passes(86_400)
    assert clock.deliver() == (0, 0)


def test_a_receiver_that_is_gone_gets_the_message_no_more(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(410)
    clock.evaluate()
    clock.passes(3600)
    assert clock.deliver() == (0, 0)
    assert AlertDelivery.objects.get().outcome == outbox.GONE


def test_resolved_waits_for_firing(rules: Rules, records: Records, clock: Clock, hook: Hook) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    clock.passes(75)
    hook.answer = with_status(200)
    clock.evaluate()
    clock.deliver()
    assert hook.told == [("spike", "firing")] * 2 + [("spike", "resolved")]


def test_a_receiver_that_does_not_answer_gets_nothing_out_of_order(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE, {**SPIKE, "name": "second"})
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    assert hook.told == [("spike", "firing")]
    hook.answer = with_status(200)
    clock.passes(2)
    while clock.deliver()[0]:
        pass
    assert hook.told == [("spike", "firing"), ("spike", "firing"), ("second", "firing")]


def test_a_message_that_is_refused_holds_up_no_other_rule(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE, {**SPIKE, "name": "second"})
    records(6)

    def refuse_spike(handler: Handler) -> None:
        status = 400 if hook.told[-1][0] == "spike" else 200
        with_status(status)(handler)

    hook.answer = refuse_spike
    clock.evaluate()
    clock.deliver()
    assert hook.told == [("spike", "firing"), ("second", "firing")]


def test_a_thousand_messages_to_a_dead_receiver_hold_up_no_other(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    dead = {"webhook": "http://127.0.0.1:9/"}
    rules(SPIKE, ALERT_RECEIVERS={"hook": {"webhook": hook.url}, "dead": dead})
    now = datetime.now(UTC)
    waits = {"receiver": "dead", "alerts": [{}], "created_at": now, "next_at": now + timedelta(minutes=5)}
    AlertDelivery.objects.bulk_create(
        AlertDelivery(message_id=uuid.uuid4(), rules=[f"rule {place}"], holds_all=place > 0, **waits)
        for place in range(1200)
    )
    records(6)
    clock.evaluate()
    assert hook.told == [("spike", "firing")]
    assert health().waiting == 1200


def test_a_message_that_was_claimed_by_a_process_that_ended_is_sent_again(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    AlertDelivery.objects.update(claimed_by="a process", next_at=AlertDelivery.objects.get().next_at + outbox.CLAIM)
    hook.answer = with_status(200)
    assert clock.deliver() == (0, 0)
    assert Deliverer("a process").deliver_once() == (1, 0)


def test_a_message_is_claimed_once(rules: Rules, records: Records, clock: Clock, hook: Hook) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    delivery, same = AlertDelivery.objects.get(), AlertDelivery.objects.get()
    assert outbox.claim(delivery, "one", delivery.next_at)
    assert not outbox.claim(same, "two", delivery.next_at)


def test_a_failing_receiver_is_logged_once_and_without_its_address(
    rules: Rules, records: Records, clock: Clock, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    clock.passes(2)
    clock.deliver()
    (logged,) = (record for record in caplog.records if record.name == "systemlog.alerts")
    assert (logged.levelname, logged.__dict__["receiver"]) == ("WARNING", "hook")
    assert hook.url not in str(logged.__dict__)


def test_nobody_is_told_of_a_silenced_rule_before_the_silence_ends(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules({**SPIKE, "within": "10m"})
    clock.evaluate()
    silence("spike", timedelta(minutes=2), by="somebody")
    records(6)
    clock.evaluate()
    clock.passes(110)
    clock.evaluate()
    assert hook.told == []
    assert Alert.objects.get().state == "firing"
    clock.passes(11)
    clock.evaluate()
    assert hook.told == [("spike", "firing")]
    assert SystemLog.objects.filter(category="alert.firing").count() == 1


def test_what_was_told_and_ends_in_a_silence_is_told_when_the_silence_ends(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6)
    clock.evaluate()
    silence("spike", timedelta(minutes=10), by="somebody")
    clock.passes(75)
    clock.evaluate()
    assert hook.told == [("spike", "firing")]
    clock.passes(600)
    clock.evaluate()
    assert hook.told == [("spike", "firing"), ("spike", "resolved")]


def test_what_fires_and_ends_in_a_silence_is_never_told(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    clock.evaluate()
    silence("spike", timedelta(minutes=10), by="somebody")
    records(6)
    clock.evaluate()
    clock.passes(75)
    clock.evaluate()
    clock.passes(1200)
    clock.evaluate()
    assert hook.told == []


def test_a_silence_can_be_ended(rules: Rules, records: Records, clock: Clock, hook: Hook) -> None:
    rules({**SPIKE, "within": "10m"})
    clock.evaluate()
    silence("spike", timedelta(minutes=10), by="somebody")
    records(6)
    clock.evaluate()
    silence("spike", timedelta(0), by="somebody")
    clock.evaluate()
    assert hook.told == [("spike", "firing")]
