"""Tests of rules that compare with an earlier time: each instant is compared with its own earlier time."""

from __future__ import annotations

from typing import Any

import pytest

from systemlog.models import Alert
from tests.alerts.conftest import Clock, Records, Rules
from tests.support.receivers import Hook

DAY = 86_400
WEEK = 7 * DAY
RULE = {"name": "spike", "times": 5, "as_before": "7d", "within": "5m", "at_least": 20}
FIRING = ("spike", "firing")

BY_RECORDS = {"context.path": "/pay"}
"""A filter that the roll-up does not know, so that records alone are compared."""


@pytest.fixture(params=[{}, BY_RECORDS], ids=["by the roll-up too", "by records alone"])
def filters(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The filters of a rule."""
    return request.param


@pytest.fixture
def paid(records: Records) -> Records:
    """Stores records that both filters accept."""

    def store(number: int, **fields: Any) -> None:
        records(number, context={"path": "/pay"}, **fields)

    return store


@pytest.mark.parametrize(("now", "told"), [(49, False), (60, True)])
def test_a_steady_earlier_time_counts_once(
    rules: Rules, paid: Records, clock: Clock, hook: Hook, filters: dict[str, Any], now: int, *, told: bool
) -> None:
    rules({**RULE, **filters})
    paid(480, ago=WEEK + 7200, every=30)  # ten in each five minutes, for two hours before and after
    paid(now, ago=2)
    clock.evaluate()
    assert hook.told == ([FIRING] if told else [])


def test_a_busy_beginning_a_week_before_hides_no_later_spike(
    rules: Rules, paid: Records, clock: Clock, hook: Hook
) -> None:
    rules({**RULE, **BY_RECORDS})
    paid(60, ago=WEEK + 3000)
    paid(300, ago=3300, every=11)  # more than `at_least` in every window, so that all of the hour is one span
    paid(200, ago=5)
    clock.evaluate()
    assert hook.told == [FIRING]
    assert hook.received[0].json["value"] > 200


def test_a_quiet_beginning_a_week_before_makes_no_later_spike(
    rules: Rules, paid: Records, clock: Clock, hook: Hook
) -> None:
    rules({**RULE, **BY_RECORDS, "at_least": 30})
    paid(60, ago=WEEK + 400, every=7)
    paid(29, ago=700, every=10)
    paid(60, ago=400, every=7)
    clock.evaluate()
    assert hook.told == []


@pytest.mark.parametrize(("now", "told"), [(40, False), (60, True)])
def test_a_window_can_be_compared_with_the_one_just_before(
    rules: Rules, paid: Records, clock: Clock, hook: Hook, filters: dict[str, Any], now: int, *, told: bool
) -> None:
    rules({**RULE, **filters, "as_before": "5m"})
    paid(10, ago=330, every=1)
    paid(now, ago=2)
    clock.evaluate()
    assert hook.told == ([FIRING] if told else [])


@pytest.mark.parametrize("moved", [-200, -3, 0, 3, 200])
def test_a_job_that_ran_some_minutes_earlier_or_later_raises_no_alarm(
    rules: Rules, paid: Records, clock: Clock, hook: Hook, moved: int
) -> None:
    rules({**RULE, **BY_RECORDS})
    paid(60, ago=WEEK + 1000 + moved, every=0.1)
    paid(100, ago=1000)
    clock.evaluate()
    assert hook.told == []


def test_after_an_outage_each_hour_is_compared_with_its_own(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(RULE)
    clock.evaluate()
    records(600, ago=WEEK - 3 * 3600, every=0.1)  # one busy hour does not hide the others
    clock.passes(6 * 3600)
    records(100, ago=-5 * 3600)
    clock.restart()
    clock.evaluate()
    assert hook.told == [FIRING]


@pytest.mark.parametrize(("earlier", "told"), [(90, False), (70, True)])
def test_many_records_are_compared_a_page_at_a_time(
    rules: Rules,
    paid: Records,
    clock: Clock,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
    earlier: int,
    *,
    told: bool,
) -> None:
    monkeypatch.setattr("systemlog.alerts.counting.PAGE_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.counting.NEWEST_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.comparing.EARLIER_ROWS", 10)
    rules({**RULE, **BY_RECORDS})
    for place in range(4):
        paid(earlier, ago=WEEK + 2 + 700 * place, every=0.1)
    paid(400, ago=2 + 700)
    clock.evaluate()
    assert hook.told == ([FIRING] if told else [])


def test_the_message_says_which_number_was_exceeded(rules: Rules, paid: Records, clock: Clock, hook: Hook) -> None:
    rules({**RULE, **BY_RECORDS})
    paid(10, ago=WEEK + 30)
    paid(60, ago=2)
    clock.evaluate()
    message = hook.received[0].json
    assert (message["value"], message["threshold"]) == (60, 50)


def test_more_records_than_a_rule_counts_are_an_error(
    rules: Rules, paid: Records, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("systemlog.alerts.counting.PAGE_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.counting.NEWEST_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.counting.MOST_ROWS", 80)
    rules({**RULE, **BY_RECORDS})
    paid(90, ago=WEEK + 2)
    paid(79, ago=2)
    assert clock.evaluate().errors == {}
    paid(100, ago=2)
    assert "too many to tell" in clock.evaluate().errors["spike"]
    assert Alert.objects.get().state == "inactive"
