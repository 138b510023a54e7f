"""Tests of rules over stored records: which rule fires, when, and how often it is reported."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from systemlog.models import Alert, AlertDelivery, SystemLog
from tests.alerts.conftest import Clock, Records, Rules
from tests.support.receivers import Hook

SPIKE = {"name": "spike", "min_level": "ERROR", "more_than": 5, "within": "10s"}
SILENCE = {"name": "silence", "category": "beat", "none_for": "1m"}

FIRING, RESOLVED = ("spike", "firing"), ("spike", "resolved")


def test_a_spike_fires_once_and_is_resolved_once(rules: Rules, records: Records, clock: Clock, hook: Hook) -> None:
    rules(SPIKE)
    clock.evaluate()
    records(6)
    clock.evaluate()
    clock.evaluate()
    clock.restart()
    clock.evaluate()
    assert hook.told == [FIRING]
    clock.passes(71)
    clock.evaluate()
    clock.evaluate()
    assert hook.told == [FIRING, RESOLVED]


def test_as_many_as_the_number_are_not_more(rules: Rules, records: Records, clock: Clock, hook: Hook) -> None:
    rules(SPIKE)
    records(5)
    records(5, ago=60)
    clock.evaluate()
    assert hook.told == []


@pytest.mark.parametrize("ago", [3, 30, 1800, 3500])
def test_a_spike_that_landed_late_fires(rules: Rules, records: Records, clock: Clock, hook: Hook, ago: float) -> None:
    rules(SPIKE)
    clock.evaluate()
    records(6, ago=ago)
    clock.evaluate()
    assert hook.told == [FIRING]


def test_what_landed_later_than_records_may_does_not_count(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE, ALERT_LATE="5m")
    clock.evaluate()
    records(6, ago=400)
    clock.evaluate()
    assert hook.told == []


def test_what_happened_while_nothing_was_evaluated_is_told_afterwards(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    clock.evaluate()
    records(6)
    clock.passes(3 * 3600)
    clock.restart()
    clock.evaluate()
    assert hook.told == [FIRING]
    clock.passes(61)
    clock.evaluate()
    assert hook.told == [FIRING, RESOLVED]


@pytest.mark.parametrize("ago", [1000, 1900, 3400])
def test_a_late_spike_below_many_records_is_found_a_page_at_a_time(
    rules: Rules, records: Records, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch, ago: float
) -> None:
    monkeypatch.setattr("systemlog.alerts.counting.PAGE_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.counting.NEWEST_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.readers.SWEEP_S", 0.0)
    monkeypatch.setattr("systemlog.alerts.readers.CATCH_UP_S", 0.0)
    rules(SPIKE)
    records(200, ago=3590, every=17)
    clock.evaluate(in_full=False)
    records(6, ago=ago)
    for _ in range(40):
        clock.evaluate(in_full=False)
    assert hook.told == [FIRING]


def test_a_storm_that_was_told_is_not_read_again(
    rules: Rules, records: Records, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(SPIKE)
    records(400, ago=600, every=1)
    clock.evaluate()
    monkeypatch.setattr("systemlog.alerts.counting.PAGE_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.counting.NEWEST_ROWS", 20)
    monkeypatch.setattr("systemlog.alerts.counting.FIRST_SLICE_US", 7200 * 10**6)
    monkeypatch.setattr("systemlog.alerts.readers.SWEEP_S", 0.0)
    clock.restart()
    before = Alert.objects.get().complete_at
    clock.passes(31)
    clock.evaluate(in_full=False)
    assert Alert.objects.get().complete_at > before
    clock.passes(300)
    clock.evaluate(in_full=False)
    records(6, ago=700)
    clock.evaluate(in_full=False)
    assert hook.told == [FIRING, RESOLVED, FIRING]


def test_the_message_says_what_was_counted_and_from_when(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules({**SPIKE, "labels": {"severity": "page"}})
    records(7, correlation_id="the-request")
    clock.evaluate()
    alert = hook.received[0].json
    sixth = SystemLog.objects.filter(category="shop").order_by("timestamp")[5]
    assert alert["starts_at"] == sixth.timestamp.isoformat().replace("+00:00", "Z")
    assert (alert["value"], alert["threshold"], alert["ends_at"]) == (7, 5, None)
    assert (alert["labels"], alert["correlation_ids"]) == ({"severity": "page"}, ["the-request"])
    assert "url" not in alert


def test_the_message_links_to_the_records_where_the_public_address_is_known(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules({**SPIKE, "q": "a&b"}, PUBLIC_URL="https://logs.example.com/ops/")
    records(6, message="a&b")
    clock.evaluate()
    url = hook.received[0].json["url"]
    assert url.startswith("https://logs.example.com/ops/admin/systemlog/systemlog/?min_level=ERROR&q=a%26b&since=")


@pytest.mark.parametrize(
    "filters",
    [
        {"min_level": "ERROR"},
        {"query": 'level:error "a&b"'},
        {"category": ["sh*", "x"], "level!": ["INFO", "DEBUG"], "context.order": "7", "q": "a&b"},
    ],
)
def test_the_link_opens_the_list_of_the_rules_records(
    rules: Rules, records: Records, clock: Clock, hook: Hook, admin_client: Client, filters: dict[str, Any]
) -> None:
    rules({"name": "spike", "more_than": 5, "within": "10s", **filters}, PUBLIC_URL="https://logs.example.com")
    records(6, message="this is a&b", context={"order": 7})
    records(1, level="INFO", message="something else")
    clock.evaluate()
    page = admin_client.get(hook.received[0].json["url"].removeprefix("https://logs.example.com"))
    assert page.status_code == 200
    assert page.content.count(b"this is a&amp;b") >= 6
    assert b"something else" not in page.content


def test_the_records_of_alerts_are_in_the_log_and_no_rule_counts_them(
    rules: Rules, records: Records, clock: Clock
) -> None:
    rules(SPIKE, {"name": "any", "min_level": "DEBUG", "more_than": 7, "within": "1h"})
    records(6)
    clock.evaluate()
    clock.passes(75)
    for _ in range(5):
        clock.evaluate()
    own = SystemLog.objects.filter(category__startswith="alert.").order_by("timestamp")
    assert [(each.category, each.subject) for each in own] == [
        ("alert.firing", "alert:spike"),
        ("alert.resolved", "alert:spike"),
    ]


@pytest.mark.parametrize(
    "filters",
    [
        {"category": "shop"},
        {"category": "sh*"},
        {"category": ["other", "shop"]},
        {"level": "error"},
        {"source": "web-1"},
        {"q": "it FAILED"},
        {"context.order": "7"},
        {"query": 'level:error -category:elsewhere "it failed" context.order:7'},
        {"category!": "elsewhere"},
        {"level!": ["info", "debug"], "context.order!": "8"},
        {"min_level": "WARNING", "category": "shop", "q": "failed"},
    ],
)
def test_the_filters_are_those_of_the_api(
    rules: Rules, records: Records, clock: Clock, hook: Hook, filters: dict[str, str]
) -> None:
    rules({"name": "spike", "more_than": 5, "within": "10s", **filters})
    records(6, level="INFO", category="elsewhere", message="all is well")
    records(5, source="web-1", context={"order": 7})
    clock.evaluate()
    assert hook.told == []
    records(1, source="web-1", context={"order": 7})
    clock.evaluate()
    assert hook.told == [FIRING]


def test_a_source_that_falls_silent_fires_and_is_resolved_when_it_is_heard(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules({**SILENCE, "keep_firing": "5s"})
    clock.evaluate()
    assert hook.told == []
    records(1, category="beat", level="INFO", ago=30)
    clock.evaluate()
    assert hook.told == []
    clock.passes(31)
    clock.evaluate()
    clock.evaluate()
    assert hook.told == [("silence", "firing")]
    records(1, category="beat", level="INFO", ago=-32)
    clock.passes(2)
    clock.evaluate()
    clock.passes(6)
    clock.evaluate()
    assert hook.told == [("silence", "firing"), ("silence", "resolved")]


def test_a_silence_during_an_outage_of_the_evaluator_is_told_afterwards(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SILENCE)
    records(1, category="beat", ago=7000)
    records(100, category="beat", ago=6000, every=60)
    clock.evaluate()
    Alert.objects.update(last_seen=SystemLog.objects.earliest("timestamp").timestamp)
    clock.restart()
    clock.evaluate()
    assert hook.told == [("silence", "firing")]
    assert hook.received[0].json["value"] == 0


def test_a_source_that_never_was_heard_is_not_silent(rules: Rules, clock: Clock, hook: Hook) -> None:
    rules(SILENCE)
    clock.passes(3600)
    clock.evaluate()
    assert hook.told == []


@pytest.mark.parametrize(("now", "told"), [(45, False), (51, True)])
def test_five_times_as_many_as_a_week_before(
    rules: Rules, records: Records, clock: Clock, hook: Hook, now: int, *, told: bool
) -> None:
    rules({"name": "spike", "times": 5, "as_before": "7d", "within": "5m", "at_least": 20})
    records(10, ago=7 * 86_400 + 30)
    records(now, ago=2)
    clock.evaluate()
    assert hook.told == ([FIRING] if told else [])


@pytest.mark.parametrize(("now", "told"), [(19, False), (20, True)])
def test_where_there_was_nothing_before_the_least_number_counts(
    rules: Rules, records: Records, clock: Clock, hook: Hook, now: int, *, told: bool
) -> None:
    rules({"name": "spike", "times": 5, "as_before": "7d", "within": "5m", "at_least": 20})
    records(now, ago=2)
    clock.evaluate()
    assert hook.told == ([FIRING] if told else [])


def test_more_than_ten_transitions_at_once_are_one_message(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(*({**SPIKE, "name": f"rule {place}"} for place in range(11)))
    records(6)
    clock.evaluate()
    assert len(hook.received) == 1
    assert len(hook.told) == 11
    assert hook.received[0].json["status"] == "firing"


def test_ten_transitions_are_ten_messages(rules: Rules, records: Records, clock: Clock, hook: Hook) -> None:
    rules(*({**SPIKE, "name": f"rule {place}"} for place in range(10)))
    records(6)
    clock.evaluate()
    clock.evaluate()
    while clock.deliver()[0]:
        pass
    assert len(hook.received) == 10


def test_a_rule_that_the_settings_have_no_more_is_resolved(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6)
    clock.evaluate()
    rules({**SPIKE, "name": "other", "category": "none"})
    clock.evaluate()
    assert hook.told == [FIRING]
    clock.passes(601)
    clock.evaluate()
    assert hook.told == [FIRING, RESOLVED]
    assert not Alert.objects.filter(rule="spike").exists()


def test_a_crash_before_the_commit_tells_nothing_and_the_next_evaluation_does(
    rules: Rules, records: Records, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(SPIKE)
    records(6)
    with monkeypatch.context() as broken:
        broken.setattr("systemlog.alerts.evaluator.tell", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            clock.evaluate()
    assert not AlertDelivery.objects.exists()
    assert not SystemLog.objects.filter(category="alert.firing").exists()
    clock.restart()
    clock.evaluate()
    assert hook.told == [FIRING]
