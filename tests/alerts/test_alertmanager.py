"""Tests with a real Alertmanager, which sends the alerts on to the receiver `hook`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from systemlog.alerts import deliverer
from tests.alerts.conftest import Clock, Records, Rules
from tests.support.alertmanager import PROGRAM, alertmanager
from tests.support.receivers import Hook
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.any_database,
    pytest.mark.skipif(PROGRAM is None, reason="Debian's package prometheus-alertmanager is not installed"),
]

RULE = {"name": "spike", "min_level": "ERROR", "more_than": 5, "within": "1s", "labels": {"severity": "page"}}


@pytest.fixture
def manager(tmp_path: Path, hook: Hook, rules: Rules) -> Iterator[httpx.Client]:
    """A running Alertmanager. It receives the alerts of the rule, and sends them on to `hook`."""
    with alertmanager(tmp_path, hook.url) as client:
        rules({**RULE, "to": ["pager"]}, ALERT_RECEIVERS={"pager": {"alertmanager": str(client.base_url)}})
        yield client


def told(hook: Hook) -> list[tuple[str, str]]:
    """Return the name and the status of each alert that Alertmanager sent on."""
    return [
        (alert["labels"]["alertname"], alert["status"]) for request in hook.received for alert in request.json["alerts"]
    ]


def listed(manager: httpx.Client) -> list[dict[str, Any]]:
    """Return the alerts that Alertmanager has."""
    alerts: list[dict[str, Any]] = manager.get("/api/v2/alerts").raise_for_status().json()
    return alerts


def test_it_tells_of_an_alert_once_and_of_its_end(
    manager: httpx.Client, settings: Any, records: Records, clock: Clock, hook: Hook
) -> None:
    settings.SYSTEMLOG["ALERTS"][0]["keep_firing"] = "2s"
    settings.SYSTEMLOG = {**settings.SYSTEMLOG}
    records(6, ago=1200)
    clock.evaluate()
    assert eventually(lambda: told(hook) == [("spike", "firing")])
    assert hook.received[0].json["commonLabels"]["severity"] == "page"

    def is_resolved() -> bool:
        clock.evaluate()
        return told(hook) == [("spike", "firing"), ("spike", "resolved")]

    assert eventually(is_resolved)


def test_it_is_sent_what_fires_again_and_again(
    manager: httpx.Client, records: Records, clock: Clock, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    records(6)
    clock.evaluate()
    assert eventually(lambda: len(listed(manager)) == 1)
    first = listed(manager)[0]
    monkeypatch.setattr(deliverer, "RESEND_S", 0.0)
    clock.deliver()
    again = listed(manager)[0]
    assert again["endsAt"] > first["endsAt"]
    assert again["fingerprint"] == first["fingerprint"]
    assert again["startsAt"] == first["startsAt"]


def test_one_that_is_silenced_there_is_not_told(
    manager: httpx.Client, records: Records, clock: Clock, hook: Hook
) -> None:
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": "spike", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "the tests",
        "comment": "maintenance",
    }
    manager.post("/api/v2/silences", json=silence).raise_for_status()
    records(6)
    clock.evaluate()
    assert eventually(lambda: [alert["status"]["state"] for alert in listed(manager)] == ["suppressed"])
    assert told(hook) == []
