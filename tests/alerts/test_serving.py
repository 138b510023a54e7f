"""Tests of the alerts of a running server: one message in spite of a kill, and no start with a mistake in the rules."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.receivers import Hook
from tests.support.servers import Platform, Server
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

RULE = {"name": "spike", "min_level": "ERROR", "more_than": 5, "within": "2s", "keep_firing": "1s", "to": ["hook"]}


@pytest.fixture
def alerting(platform: Platform, hook: Hook) -> Platform:
    """A platform with a rule that is evaluated every second."""
    file = platform.folder / "alerts.json"
    file.write_text(json.dumps({"rules": [RULE], "receivers": {"hook": {"webhook": hook.url}}}))
    platform.environment.update(ALERTS_FILE=str(file), ALERT_INTERVAL="1s")
    return platform


def burst(server: Server, token: str) -> None:
    """Send six errors with timestamps of ten minutes ago."""
    first = datetime.now(UTC) - timedelta(minutes=10)
    records = [
        {"message": "no", "level": "ERROR", "timestamp": (first + timedelta(milliseconds=place)).isoformat()}
        for place in range(6)
    ]
    with server.client(token) as client:
        assert client.post("/system/logs/", json=records).status_code == 202


def groups_told(hook: Hook) -> dict[str, str]:
    """Return the error group of each message. A message that arrived twice counts once."""
    return {request.headers["webhook-id"]: request.json["group"] for request in hook.received}


def test_a_server_tells_once_of_what_landed_late_although_it_is_killed(alerting: Platform, hook: Hook) -> None:
    with alerting.serve(clean_exit=-signal.SIGKILL) as server:
        burst(server, alerting.token("write"))
        assert eventually(lambda: hook.told == [("spike", "firing")])
        server.process.kill()
        server.process.wait()
    with alerting.serve() as server:
        assert eventually(lambda: hook.told == [("spike", "firing"), ("spike", "resolved")])
        with server.client(alerting.token("read")) as client:
            assert client.get("/system/alerts/").json()["items"][0]["state"] == "inactive"
            assert client.put("/system/alerts/", json={}).status_code == 405
        with server.client(alerting.token("write")) as client:
            assert client.get("/system/alerts/").status_code == 403
        with server.client("opsp_none") as client:
            assert client.get("/system/alerts/").status_code == 401


def test_a_server_tells_once_of_a_new_error_although_it_is_killed(alerting: Platform, hook: Hook) -> None:
    rules = [{"name": "new error", "new_group": True, "to": ["hook"]}]
    file = alerting.folder / "alerts.json"
    file.write_text(json.dumps({"rules": rules, "receivers": {"hook": {"webhook": hook.url}}}))
    token = alerting.token("write")
    with alerting.serve(clean_exit=-signal.SIGKILL) as server:
        burst(server, token)
        assert eventually(lambda: hook.told == [("new error", "firing")])
        server.process.kill()
        server.process.wait()
    with alerting.serve() as server:
        burst(server, token)
        with server.client(token) as client:
            client.post("/system/logs/", json=[{"message": "something else", "level": "CRITICAL"}])
        assert eventually(lambda: len(groups_told(hook)) > 1)
        assert len(set(groups_told(hook).values())) == len(groups_told(hook)) == 2


def test_a_server_does_not_start_with_a_mistake_in_its_rules(alerting: Platform) -> None:
    file = alerting.folder / "alerts.json"
    file.write_text(json.dumps({"rules": [{**RULE, "withn": "2s"}], "receivers": {"hook": {"slack": "http://x/"}}}))
    done = alerting.manage("serve", "--bind=127.0.0.1:0", check=False)
    assert done.returncode != 0
    assert "The alert rule 'spike': 'withn' is no key" in done.stderr
