"""Tests of docs/monitoring/rules.json: each rule fires on the records that the platform itself writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from systemlog.models import Alert
from tests.alerts.conftest import Clock, Landed, Records

RULES = Path(__file__).parents[2] / "docs" / "monitoring" / "rules.json"

CHANGED = {"action": "health.probe_changed"}


@pytest.mark.parametrize(
    ("rule", "number", "record"),
    [
        ("error spike", 20, {}),
        (
            "journal fills",
            1,
            {
                "category": "health.probes",
                "level": "WARNING",
                "context": {**CHANGED, "probe": "journal", "state": "warn"},
            },
        ),
        (
            "records refused",
            1,
            {"category": "systemlog.landing", "level": "WARNING", "context": {"action": "journal.refused"}},
        ),
        (
            "readiness flaps",
            7,
            {"category": "health.probes", "level": "INFO", "context": {**CHANGED, "probe": "x", "state": "pass"}},
        ),
        (
            "audit outbox grows",
            1,
            {
                "category": "health.probes",
                "level": "WARNING",
                "context": {**CHANGED, "probe": "audit", "state": "warn"},
            },
        ),
        (
            "digests late or wrong",
            1,
            {
                "category": "health.probes",
                "level": "WARNING",
                "context": {**CHANGED, "probe": "digests", "state": "fail"},
            },
        ),
        ("log altered", 1, {"category": "systemlog.digests", "context": {"action": "digests.differs"}}),
    ],
)
def test_a_ready_rule_fires_on_what_the_platform_writes(
    settings: Any, records: Records, clock: Clock, rule: str, number: int, record: dict[str, Any]
) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ALERTS_FILE": str(RULES)}
    clock.evaluate_only()
    records(number, **record)
    clock.evaluate_only()
    assert Alert.objects.get(rule=rule).state == "firing"


def test_a_new_error_fires(settings: Any, landed: Landed, clock: Clock) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ALERTS_FILE": str(RULES)}
    clock.evaluate_only()
    landed("it failed")
    clock.evaluate_only()
    assert Alert.objects.get(rule="new error").state == "firing"


def test_silence_of_the_whole_platform_fires(settings: Any, records: Records, clock: Clock) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ALERTS_FILE": str(RULES)}
    records(1, ago=1000)
    clock.evaluate_only()
    assert Alert.objects.get(rule="no records").state == "firing"


def test_the_ready_rules_pass_the_checks(settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "ALERTS_FILE": str(RULES)}
    assert not [message for message in run_checks() if (message.id or "").startswith("systemlog.E12")]
