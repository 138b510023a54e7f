"""Tests of rules and receivers in the settings: what they mean, and that a mistake names rule, key and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from systemlog.alerts.configuration import configuration
from systemlog.alerts.rules import MoreThan, NewGroup, NoneFor, TimesAsMany
from tests.alerts.conftest import SECRET

GOOD: dict[str, Any] = {"name": "spike", "min_level": "ERROR", "more_than": 20, "within": "10s", "to": ["hook"]}


def mistakes(settings: Any, **more: Any) -> list[str]:
    """Return what `manage.py check` says about the alerts."""
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, **more}
    return [message.msg for message in run_checks() if (message.id or "").startswith("systemlog.E12")]


def of_rule(settings: Any, rule: Any) -> list[str]:
    """Return what `manage.py check` says about a rule."""
    return mistakes(settings, ALERTS=[rule], ALERT_RECEIVERS={"hook": {"slack": "http://localhost/"}})


def test_rules_of_every_kind_are_read(settings: Any) -> None:
    rules = [
        GOOD,
        {"name": "quiet", "none_for": "2h", "for": "1m", "keep_firing": "0s", "labels": {"team": "ops"}},
        {"name": "week", "times": 2.5, "as_before": "1w", "within": "5m", "at_least": 20, "category": ["a.*", "b"]},
        {"name": "new", "new_group": True, "level": "critical", "query": "-source:web-1 category:(a,b*)"},
    ]
    assert mistakes(settings, ALERTS=rules, ALERT_RECEIVERS={"hook": {"slack": "http://localhost/"}}) == []
    spike, quiet, week, new = configuration().rules.values()
    assert spike.condition == MoreThan(20, 10_000_000)
    assert (quiet.condition, quiet.for_us, quiet.keep_firing_us) == (NoneFor(7_200_000_000), 60_000_000, 0)
    assert week.condition == TimesAsMany(2.5, 604_800_000_000, 300_000_000, 20)
    assert week.query.categories == ("a.*", "b")
    assert (new.condition, new.window_us, new.threshold) == (NewGroup(), 0, 0)
    assert (spike.to, quiet.labels, spike.keep_firing_us) == (("hook",), {"team": "ops"}, 60_000_000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mor_than": 3}, "'mor_than' is no key that it can have. Did you mean 'more_than'?"),
        ({"keep_fireing": "3s"}, "Did you mean 'keep_firing'?"),
        ({"categorie": "x"}, "Did you mean 'category'?"),
        ({"within": "10x"}, "'within' is '10x', which is no duration"),
        ({"within": 10}, "'within' is 10, which is no duration"),
        ({"within": 10}, "Did you mean '10s'?"),
        ({"within": "5 Minutes"}, "Did you mean '5m'?"),
        ({"for": "1.5h"}, "Write a number and a unit"),
        ({"level": "INFO"}, "'level' leaves no level"),
        ({"within": "0s"}, "'within' is '0s', which is too short"),
        ({"within": "300d"}, "'within' is '300d', which is longer than 7 days"),
        ({"for": "-1s"}, "'for' is '-1s'"),
        ({"more_than": -1}, "'more_than' is -1"),
        ({"more_than": "20"}, "'more_than' is '20'"),
        ({"more_than": True}, "'more_than' is True"),
        ({"more_than": 10**9}, "It must be a whole number from 0 to 10000"),
        ({"none_for": "1s"}, "'none_for' stands beside 'more_than'"),
        ({"min_level": "EROR"}, "'min_level' is 'EROR', which is no level. Did you mean 'ERROR'?"),
        ({"level": "LOUD"}, "'level' is 'LOUD'"),
        ({"category": ""}, "'category' is ''"),
        ({"category": []}, "'category' is empty"),
        ({"q": 7}, "'q' is 7"),
        ({"q": "x " * 30}, "'q' cannot be used"),
        ({"query": "level:loud"}, "'query' cannot be used"),
        ({"query": "since:-1h"}, "'query' has bounds of time"),
        ({"level!": "LOUD"}, "'level!' is 'LOUD'"),
        ({"to": ["hock"]}, "'to' names the receiver 'hock', which there is not. Did you mean 'hook'?"),
        ({"to": "hook"}, "'to' is 'hook'"),
        ({"labels": {"a-b": "c"}}, "'labels' has the name 'a-b'"),
        ({"labels": {"alertname": "c"}}, "'labels' has the name 'alertname'"),
        ({"labels": {"a": 1}}, "'labels' has no printable text for 'a'"),
        ({"name": "a\nb"}, "'name' is 'a\\nb'"),
        ({"name": ""}, "'name' is ''"),
    ],
)
def test_a_mistake_in_a_rule_names_the_rule_and_the_key(settings: Any, change: dict[str, Any], words: str) -> None:
    rule = {**GOOD, **change}
    found = of_rule(settings, rule)
    assert len(found) == 1
    assert repr(rule["name"]) in found[0]
    assert words in found[0]
    assert configuration().rules == {}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("spike", "at place 0 is no object"),
        ({}, "'more_than' is missing"),
        ({"name": "a", "more_thn": 1}, "Did you mean 'more_than'?"),
        ({"name": "a", "more_than": 1}, "'within' is missing"),
        ({"name": "a", "times": 2, "within": "5m"}, "'as_before' is missing"),
        ({"name": "a", "times": 0, "as_before": "7d", "within": "5m", "at_least": 1}, "'times' is 0"),
        ({"name": "a", "times": 2, "as_before": "1m", "within": "5m", "at_least": 1}, "'as_before' is shorter"),
        ({"name": "a", "times": 2, "as_before": "7d", "within": "5m", "at_least": 0}, "'at_least' is 0"),
        ({"name": "a", "none_for": "1h", "within": "5m"}, "'within' is no key that it can have"),
        ({"more_than": 1, "within": "1m"}, "'name' is None"),
        ({"name": "a", "new_grup": True}, "'new_grup' is no key that it can have. Did you mean 'new_group'?"),
        ({"name": "a", "new_group": False}, "'new_group' is False. It must be true."),
        ({"name": "a", "new_group": 1}, "'new_group' is 1. It must be true."),
        ({"name": "a", "new_group": True, "more_than": 1}, "'new_group' stands beside 'more_than'"),
        ({"name": "a", "new_group": True, "within": "5m"}, "'within' is no key that it can have"),
        ({"name": "a", "new_group": True, "for": "5m"}, "'for' is no key that it can have"),
        ({"name": "a", "new_group": True, "q": "x"}, "'q' is no key that it can have"),
        ({"name": "a", "new_group": True, "context.x": "1"}, "'context.x' is no key that it can have"),
        ({"name": "a", "new_group": True, "categori": "x"}, "Did you mean 'category'?"),
        ({"name": "a", "new_group": True, "min_levl": "ERROR"}, "Did you mean 'min_level'?"),
        ({"name": "a", "new_group": True, "min_level": "EROR"}, "Did you mean 'ERROR'?"),
        ({"name": "a", "new_group": True, "level": "INFO"}, "'level' leaves out every error group"),
        ({"name": "a", "new_group": True, "query": "level:info"}, "'query' leaves out every error group"),
        ({"name": "a", "new_group": True, "query": "user_id:7"}, "'query' names what is not known of a group"),
        ({"name": "a", "new_group": True, "query": "failed"}, "'query' names what is not known of a group"),
        ({"name": "a", "new_group": True, "query": "-context.x:7"}, "'query' names what is not known of a group"),
    ],
)
def test_a_rule_that_is_no_rule_is_a_mistake(settings: Any, rule: Any, words: str) -> None:
    found = of_rule(settings, rule)
    assert len(found) == 1
    assert words in found[0]


def test_two_rules_of_one_name_are_a_mistake(settings: Any) -> None:
    found = mistakes(settings, ALERTS=[GOOD, GOOD], ALERT_RECEIVERS={"hook": {"slack": "http://localhost/"}})
    assert ["that of another rule" in text for text in found] == [True]


@pytest.mark.parametrize(
    ("receiver", "words"),
    [
        ("https://secret.example.com", "is no object"),
        ({}, "'webhook' is missing"),
        ({"webhok": "https://secret.example.com"}, "Did you mean 'webhook'?"),
        ({"webhook": "https://secret.example.com", "slack": "x"}, "stands beside another"),
        ({"webhook": "ftp://secret.example.com"}, "is no http(s) URL"),
        ({"webhook": "https://secret.example.com:port/"}, "is no URL"),
        ({"webhook": "https:///secret"}, "is no http(s) URL with a host"),
        ({"webhook": "https://secret.example.com/\r\nx"}, "is no URL of printable"),
        ({"webhook": "https://example.com", "secret": "secret"}, "'secret' is no secret of Standard Webhooks"),
        ({"webhook": "https://example.com", "secret": "whsec_secret!"}, "'secret' is no secret"),
        ({"slack": "https://example.com", "secret": SECRET}, "'secret' is no key"),
        ({"email": "secret@example.com"}, "is no list of addresses"),
        ({"email": ["secret"]}, "has an entry that is no address"),
        ({"email": []}, "is no list of addresses"),
    ],
)
def test_a_mistake_in_a_receiver_names_it_and_the_key_and_shows_no_value(
    settings: Any, receiver: Any, words: str
) -> None:
    found = mistakes(settings, ALERT_RECEIVERS={"hook": receiver})
    assert len(found) == 1
    assert "'hook'" in found[0]
    assert words in found[0]
    assert "secret.example" not in found[0]
    assert SECRET not in found[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is no JSON (line 1, column 1"),
        ('{"rules": [}', "line 1, column 12"),
        ("[]", "is no object"),
        ('{"rule": []}', "Did you mean 'rules'?"),
        ('{"rules": {}}', "has 'rules' that are no list"),
        ('{"receivers": []}', "has 'receivers' that are no object"),
        ('{"rules": [NaN]}', "it is no JSON"),
        ('{"rules": [{"name": "a", "more_than": 1}]}', "The alert rule 'a': 'within' is missing"),
        ("[" * 100_000, "it is no JSON"),
    ],
)
def test_a_file_that_cannot_be_used_fails_the_checks(settings: Any, tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "alerts.json"
    path.write_text(content)
    found = mistakes(settings, ALERTS_FILE=str(path))
    assert len(found) == 1
    assert words in found[0]


def test_a_file_that_is_missing_fails_the_checks(settings: Any, tmp_path: Path) -> None:
    assert "No such file" in mistakes(settings, ALERTS_FILE=str(tmp_path / "none.json"))[0]
    assert "directory" in mistakes(settings, ALERTS_FILE=str(tmp_path))[0]


def test_the_file_adds_to_the_settings(settings: Any, tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    more = {**GOOD, "name": "more", "to": ["hook", "mail"]}
    path.write_text(json.dumps({"rules": [more], "receivers": {"mail": {"email": ["ops@example.com"]}}}))
    found = mistakes(
        settings, ALERTS=[GOOD], ALERT_RECEIVERS={"hook": {"slack": "http://localhost/"}}, ALERTS_FILE=str(path)
    )
    assert found == []
    assert list(configuration().rules) == ["spike", "more"]


@pytest.mark.parametrize("name", ["ALERT_INTERVAL", "ALERT_LATE"])
@pytest.mark.parametrize("value", ["15", "soon", "0x", "999999y"])
def test_a_duration_that_is_none_fails_the_checks(settings: Any, name: str, value: str) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, name: value}
    assert any(name in message.msg for message in run_checks())


@pytest.mark.parametrize("value", ["logs.example.com", "ftp://logs", "https://logs/?a=b", "https://user@logs"])
def test_a_public_address_that_is_none_fails_the_checks(settings: Any, value: str) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PUBLIC_URL": value}
    assert any("PUBLIC_URL" in message.msg for message in run_checks())
