"""Tests of the endpoint, the commands, the probe and the metrics of the alerts."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from prometheus_client import CollectorRegistry, generate_latest

from systemlog import probes
from systemlog.alerts import readers
from systemlog.alerts.silencing import silence
from systemlog.conf import conf
from systemlog.models import Alert, SystemLog
from systemlog.storage import get_storage
from tests.alerts.conftest import SECRET, Clock, Records, Rules
from tests.support.receivers import Hook, with_status

SPIKE = {"name": "spike", "min_level": "ERROR", "more_than": 5, "within": "10s"}
OTHER = {"name": "other", "category": "none", "more_than": 5, "within": "10s"}


def run(*arguments: str, **options: Any) -> str:
    """Run a command, and return what it wrote."""
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


@pytest.fixture
def reader(client: Client, django_user_model: Any) -> Client:
    """A client that may read the log."""
    client.force_login(django_user_model.objects.create_superuser("reader"))
    return client


def test_every_rule_is_listed_with_its_state(rules: Rules, records: Records, clock: Clock, reader: Client) -> None:
    rules(SPIKE, OTHER)
    records(6)
    clock.evaluate()
    spike, other = reader.get("/system/alerts/").json()["items"]
    assert (spike["rule"], spike["state"], spike["silenced"], spike["value"]) == ("spike", "firing", False, 6)
    assert spike["starts_at"].endswith("Z")
    assert (other["rule"], other["state"], other["value"], other["starts_at"]) == ("other", "inactive", None, None)


def test_rules_are_listed_before_they_were_evaluated_first(rules: Rules, reader: Client) -> None:
    rules(SPIKE)
    assert [item["state"] for item in reader.get("/system/alerts").json()["items"]] == ["inactive"]


def test_no_answer_has_an_address_or_a_secret(
    rules: Rules, records: Records, clock: Clock, hook: Hook, reader: Client
) -> None:
    rules(SPIKE)
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    for path in ("/system/alerts/", "/admin/systemlog/alert/", "/system/logs/?category=alert.*"):
        text = reader.get(path).content.decode()
        assert "spike" in text
        assert hook.url not in text
        assert SECRET not in text


def test_an_unknown_parameter_is_refused(reader: Client) -> None:
    response = reader.get("/system/alerts/?stat=firing")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, "stat")


def test_only_who_may_read_the_log_sees_the_alerts(client: Client, django_user_model: Any) -> None:
    assert client.get("/system/alerts/").status_code == 401
    client.force_login(django_user_model.objects.create_user("nobody"))
    assert client.get("/system/alerts/").status_code == 403
    assert client.post("/system/alerts/").status_code == 403


def test_one_evaluation_and_its_deliveries_by_a_command(rules: Rules, records: Records, hook: Hook) -> None:
    rules(SPIKE, OTHER)
    records(6)
    assert "2 rules evaluated, firing: spike. 1 message delivered, 0 not." in run("evaluate_alerts")
    assert hook.told == [("spike", "firing")]


def test_the_command_says_where_there_are_no_rules(db: None) -> None:
    with pytest.raises(CommandError, match="no rules"):
        run("evaluate_alerts")


def test_a_rule_is_silenced_by_a_command(rules: Rules, db: None, reader: Client) -> None:
    rules(SPIKE)
    assert "spike is silenced until" in run("silence_alert", "spike", "--for", "10m", "--comment", "a deployment")
    assert reader.get("/system/alerts/").json()["items"][0]["silenced"] is True
    assert Alert.objects.get().comment == "a deployment"
    assert "spike is not silenced" in run("silence_alert", "spike", "--for", "0s")
    assert reader.get("/system/alerts/").json()["items"][0]["silenced"] is False


def test_the_command_names_the_nearest_rule(rules: Rules) -> None:
    rules(SPIKE)
    with pytest.raises(CommandError, match=r"no rule 'spiek'\. Did you mean 'spike'"):
        run("silence_alert", "spiek", "--for", "10m")
    with pytest.raises(CommandError, match="no duration"):
        run("silence_alert", "spike", "--for", "soon")


def test_a_receiver_is_tried_by_a_command(rules: Rules, hook: Hook) -> None:
    rules()
    assert "hook took the message" in run("test_receiver", "hook")
    assert hook.received[0].json["rule"] == "test_receiver"
    hook.answer = with_status(500)
    with pytest.raises(CommandError, match=r"hook did not take the message\. It answered with status 500"):
        run("test_receiver", "hook")
    with pytest.raises(CommandError, match="Did you mean 'hook'"):
        run("test_receiver", "hok")


@pytest.fixture
def slow_statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes every reading of one rule take too long."""

    def slow(name: str) -> None:
        read = readers.Reader.read

        def late(self: readers.Reader, *arguments: Any, **options: Any) -> Any:
            if self.rule.name == name:
                with get_storage().budget() as allow:
                    allow(0.001)
                    take_long()
            return read(self, *arguments, **options)

        monkeypatch.setattr(readers.Reader, "read", late)

    return slow


def take_long() -> None:
    """Run a statement that takes some seconds."""
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) SELECT count(*) FROM n"
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(counting)


@pytest.mark.django_db(transaction=True)
def test_a_rule_that_takes_too_long_is_cut_off_and_the_others_go_on(
    rules: Rules, records: Records, clock: Clock, hook: Hook, slow_statements: Callable[[str], None], reader: Client
) -> None:
    rules(OTHER, SPIKE)
    slow_statements("other")
    records(6)
    result = clock.evaluate()
    assert hook.told == [("spike", "firing")]
    assert list(result.errors) == ["other"]
    other, spike = reader.get("/system/alerts/").json()["items"]
    assert (other["state"], spike["state"]) == ("error", "firing")
    assert "longer than" in other["error"]
    assert 'systemlog_alert_state{rule="other",state="error"} 1.0' in metrics()
    assert "cannot be evaluated" in (probes.alerts() or "")


def metrics() -> str:
    """Return the metrics of the alerts as text."""

    class Collector:
        def collect(self) -> Any:
            return probes.collect_alerts()

    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry).decode()


def test_the_metrics_have_the_state_of_each_rule(rules: Rules, records: Records, clock: Clock) -> None:
    rules(SPIKE, OTHER)
    records(6)
    clock.evaluate()
    text = metrics()
    assert 'systemlog_alert_state{rule="spike",state="firing"} 1.0' in text
    assert 'systemlog_alert_state{rule="other",state="inactive"} 1.0' in text
    assert "systemlog_alert_last_evaluation_age_seconds" in text
    assert "systemlog_alert_evaluation_duration_seconds" in text


def test_without_rules_there_are_no_metrics_and_no_warning(db: None) -> None:
    assert metrics() == ""
    assert probes.alerts() is None


def test_the_probe_warns_where_nothing_is_evaluated_or_delivered(
    rules: Rules, records: Records, clock: Clock, hook: Hook
) -> None:
    rules(SPIKE)
    assert "never were evaluated" in (probes.alerts() or "")
    records(6)
    hook.answer = with_status(500)
    clock.evaluate()
    assert probes.alerts() is None
    clock.passes(301)
    text = probes.alerts() or ""
    assert "last evaluated" in text
    assert "messages about alerts waits" in text


def test_the_admin_says_what_was_counted_in_the_terms_of_the_rule(
    rules: Rules, records: Records, clock: Clock, reader: Client
) -> None:
    rules(SPIKE, {"name": "silent", "category": "beat", "none_for": "1m"})
    records(1, ago=120, category="beat")
    records(6)
    clock.evaluate()
    page = reader.get("/admin/systemlog/alert/").content.decode()
    assert "6, threshold 5" in page
    assert "none for 60 s" in page


@pytest.mark.parametrize(("action", "silenced"), [("silence_for_an_hour", True), ("end_silence", False)])
def test_a_rule_is_silenced_in_the_admin(
    rules: Rules, clock: Clock, reader: Client, action: str, *, silenced: bool
) -> None:
    rules(SPIKE)
    clock.evaluate()
    silence("spike", timedelta(minutes=1), by="somebody")
    page = reader.post("/admin/systemlog/alert/", {"action": action, "_selected_action": ["spike"]}, follow=True)
    assert page.status_code == 200
    assert reader.get("/system/alerts/").json()["items"][0]["silenced"] is silenced
    record = SystemLog.objects.filter(category="alert.silenced").latest("timestamp")
    assert (record.subject, record.context["by"]) == ("alert:spike", "reader")


def test_who_may_only_read_silences_nothing(rules: Rules, clock: Clock, client: Client, django_user_model: Any) -> None:
    rules(SPIKE)
    clock.evaluate()
    user = django_user_model.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_systemlog"))
    client.force_login(user)
    assert b"spike" in client.get("/admin/systemlog/alert/").content
    client.post("/admin/systemlog/alert/", {"action": "silence_for_a_day", "_selected_action": ["spike"]})
    assert Alert.objects.get().silenced_until is None
    for path in ("add/", "spike/delete/"):
        assert client.post(f"/admin/systemlog/alert/{path}", {"rule": "x"}).status_code == 403
    assert client.post("/admin/systemlog/alert/spike/change/", {"rule": "x"}).status_code == 403


def test_staff_who_may_not_read_the_log_do_not_see_the_alerts(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.get("/admin/systemlog/alert/").status_code == 403


def test_a_fault_in_one_rule_does_not_stop_the_others(
    rules: Rules, records: Records, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(OTHER, SPIKE)
    read = readers.Reader.read

    def failing(self: readers.Reader, *arguments: Any, **options: Any) -> Any:
        return 1 / 0 if self.rule.name == "other" else read(self, *arguments, **options)

    monkeypatch.setattr(readers.Reader, "read", failing)
    records(6)
    assert clock.evaluate().errors == {"other": "It failed: ZeroDivisionError."}
    assert hook.told == [("spike", "firing")]


def test_rules_that_no_lander_evaluates_are_a_warning(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(SPIKE, JOURNAL="direct")
    monkeypatch.setattr("systemlog.alerts.checks.in_tests", lambda: False)
    assert "systemlog.W120" in [message.id for message in run_checks()]
