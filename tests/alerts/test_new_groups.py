"""Tests of rules about error groups: told once of each group that is new, and of each that has come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from systemlog.alerts.evaluator import Evaluator
from systemlog.alerts.silencing import silence
from systemlog.console.operations import alerts_part
from systemlog.groups.folding import fold_all
from systemlog.models import Alert, AlertDelivery, Group, SystemLog
from tests.alerts.conftest import Clock, Landed, Records, Rules
from tests.support.receivers import Hook

NEW = {"name": "new", "new_group": True, "min_level": "ERROR"}
SPIKE = {"name": "new", "category": "shop", "more_than": 5, "within": "10s"}

FIRING = ("new", "firing")


def resolve(**filters: Any) -> None:
    """Resolve groups as of a minute ago."""
    Group.objects.filter(**filters).update(state="resolved", resolved_at=datetime.now(UTC) - timedelta(minutes=1))


def test_a_new_group_is_told_once(rules: Rules, landed: Landed, clock: Clock, hook: Hook) -> None:
    rules({**NEW, "labels": {"team": "shop"}})
    clock.evaluate()
    landed("a failed", "a failed", correlation_id="the-request")
    clock.evaluate()
    landed("a failed")
    clock.evaluate()
    clock.restart()
    clock.evaluate()
    clock.passes(120)
    clock.evaluate()
    assert hook.told == [FIRING]
    group = Group.objects.get()
    alert = hook.received[0].json
    assert (alert["group"], alert["event"]) == (group.id, "new")
    assert alert["starts_at"] == group.first_seen.isoformat().replace("+00:00", "Z")  # type: ignore[union-attr]
    assert (alert["value"], alert["threshold"], alert["ends_at"]) == (1, 0, None)
    assert (alert["labels"], alert["correlation_ids"]) == ({"team": "shop"}, ["the-request"])
    assert "url" not in alert


def test_each_new_group_is_an_alert_of_its_own(rules: Rules, landed: Landed, clock: Clock, hook: Hook) -> None:
    rules(NEW)
    landed("a failed", "b failed")
    clock.evaluate()
    landed("c failed")
    clock.evaluate()
    while clock.deliver()[0]:
        pass
    assert hook.told == [FIRING] * 3
    assert len({got.json["id"] for got in hook.received}) == 3
    assert {got.json["group"] for got in hook.received} == set(Group.objects.values_list("id", flat=True))


def test_a_group_that_comes_back_is_told_again(rules: Rules, landed: Landed, clock: Clock, hook: Hook) -> None:
    rules(NEW)
    landed("a failed")
    clock.evaluate()
    resolve()
    landed("a failed")
    clock.evaluate()
    landed("a failed")
    clock.evaluate()
    assert [got.json["event"] for got in hook.received] == ["new", "regressed"]


def test_more_than_ten_at_once_are_one_message(rules: Rules, landed: Landed, clock: Clock, hook: Hook) -> None:
    rules(NEW)
    landed(*(f"{letter} failed" for letter in "abcdefghijk"))
    clock.evaluate()
    clock.evaluate()
    assert len(hook.received) == 1
    assert hook.told == [FIRING] * 11


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, 3),
        ({"min_level": "CRITICAL"}, 1),
        ({"level": "error"}, 2),
        ({"category": "shop.*"}, 2),
        ({"category": ["shop.cart", "other"]}, 2),
        ({"category!": "shop.*"}, 1),
        ({"source": "web-1"}, 1),
        ({"source!": "web-1"}, 2),
        ({"query": "level:error -category:other"}, 1),
    ],
)
def test_the_filters_are_of_level_category_and_source(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook, filters: dict[str, Any], told: int
) -> None:
    rules({"name": "new", "new_group": True, **filters})
    landed("a failed", category="shop.cart", source="web-1")
    landed("b failed", category="shop.pay", level="CRITICAL")
    landed("c failed", category="other")
    clock.evaluate()
    while clock.deliver()[0]:
        pass
    assert len(hook.told) == told


def test_what_happened_while_nothing_was_evaluated_is_told_afterwards(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook
) -> None:
    rules(NEW)
    clock.evaluate()
    landed("a failed")
    clock.passes(3 * 3600)
    clock.restart()
    clock.evaluate()
    assert hook.told == [FIRING]


def test_a_rule_that_begins_is_not_told_of_groups_of_long_ago(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook
) -> None:
    rules(NEW)
    landed("a failed", "b failed")
    fold_all()
    clock.passes(3601)
    clock.evaluate()
    clock.evaluate()
    assert hook.told == []


def test_a_crash_before_the_commit_tells_nothing_and_the_next_evaluation_does(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(NEW)
    clock.evaluate()
    landed("a failed")
    with monkeypatch.context() as broken:
        broken.setattr("systemlog.alerts.evaluator.tell", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            clock.evaluate()
    assert not AlertDelivery.objects.exists()
    assert not SystemLog.objects.filter(category="alert.firing").exists()
    clock.restart()
    clock.evaluate()
    clock.evaluate()
    assert hook.told == [FIRING]


def test_two_evaluators_at_once_tell_once(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(NEW)
    clock.evaluate()
    landed("a failed")
    write_states = Evaluator._write

    def overtaken(self: Evaluator, *arguments: Any) -> Any:
        monkeypatch.setattr(Evaluator, "_write", write_states)
        Evaluator().evaluate()
        return write_states(self, *arguments)

    monkeypatch.setattr(Evaluator, "_write", overtaken)
    clock.evaluate()
    clock.evaluate()
    assert hook.told == [FIRING]


def test_the_rule_is_shown_as_firing_for_a_time(
    rules: Rules, landed: Landed, clock: Clock, admin_client: Client
) -> None:
    rules({**NEW, "keep_firing": "5m"})
    landed("a failed", "b failed")
    clock.evaluate()
    shown = admin_client.get("/system/alerts/").json()["items"][0]
    assert (shown["rule"], shown["state"], shown["value"], shown["error"]) == ("new", "firing", 2, "")
    assert b"firing" in admin_client.get("/admin/systemlog/alert/").content
    assert (report := alerts_part.read(None)) is not None
    assert report.summary == "1 alert firing."
    clock.passes(301)
    clock.evaluate()
    shown = admin_client.get("/system/alerts/").json()["items"][0]
    assert (shown["state"], shown["value"], shown["starts_at"]) == ("inactive", None, None)


def test_a_silenced_rule_tells_when_the_silence_ends(rules: Rules, landed: Landed, clock: Clock, hook: Hook) -> None:
    rules(NEW)
    clock.evaluate()
    silence("new", timedelta(minutes=10), by="somebody")
    landed("a failed")
    clock.evaluate()
    assert hook.told == []
    assert SystemLog.objects.get(category="alert.firing").context["silenced"] is True
    clock.passes(601)
    clock.evaluate()
    assert hook.told == [FIRING]


def test_a_silence_that_is_ended_early_tells_of_many_at_once(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook
) -> None:
    rules(NEW)
    silence("new", timedelta(minutes=10), by="somebody")
    landed(*(f"{letter} failed" for letter in "abcdefghijk"))
    clock.evaluate()
    silence("new", timedelta(0), by="somebody")
    clock.evaluate()
    assert len(hook.received) == 1
    assert hook.told == [FIRING] * 11


def test_the_link_opens_the_page_of_the_group(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook, admin_client: Client
) -> None:
    rules(NEW, PUBLIC_URL="https://logs.example.com")
    landed("a failed")
    clock.evaluate()
    page = admin_client.get(hook.received[0].json["url"].removeprefix("https://logs.example.com"), follow=True)
    assert page.status_code == 200
    assert b"a failed" in page.content


def test_a_rule_that_becomes_another_one_is_resolved(
    rules: Rules, landed: Landed, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    records(6, level="WARNING")
    clock.evaluate()
    rules(NEW)
    clock.evaluate()
    assert hook.told == [FIRING, ("new", "resolved")]
    landed("a failed")
    clock.evaluate()
    assert hook.told == [FIRING, ("new", "resolved"), FIRING]
    rules({**SPIKE, "category": "none"})
    clock.evaluate()
    row = Alert.objects.get()
    assert (row.state, row.last_event) == ("inactive", None)
    assert hook.told == [FIRING, ("new", "resolved"), FIRING]


def test_a_rule_that_the_settings_have_no_more_is_forgotten(
    rules: Rules, landed: Landed, clock: Clock, hook: Hook
) -> None:
    rules(NEW)
    landed("a failed")
    clock.evaluate()
    rules({**SPIKE, "name": "other"})
    clock.evaluate()
    assert Alert.objects.filter(rule="new").exists()
    clock.passes(631)
    clock.evaluate()
    assert not Alert.objects.filter(rule="new").exists()
    assert hook.told == [FIRING]
