"""A store that is dead: let in or refused as the settings say, and told once."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from systemlog import probes
from systemlog.limits import guard
from systemlog.limits.metrics import instruments
from systemlog.limits.refusals import refusals
from systemlog.limits.stores.interface import StoreUnavailable
from systemlog.problems.testing import assert_problem
from systemlog.testing import captured_records
from tests.support.limits import Limit

DEADLINE_S = 20

IP = {"name": "ip", "by": "ip", "quota": 1, "window": "30s"}


@pytest.fixture
def no_directory(limit: Limit, tmp_path: Path) -> Path:
    """Where the directory of the limits should be, there is a file."""
    (tmp_path / "limits").write_text("")
    return tmp_path / "limits"


def test_requests_are_let_in_without_a_number(limit: Limit, no_directory: Path, client: Client) -> None:
    limit(IP)

    for _ in range(3):
        response = client.get("/nothing-here")
        assert response.status_code == 404
        assert "RateLimit" not in response.headers


def test_requests_are_refused_where_the_settings_say_so(limit: Limit, no_directory: Path, client: Client) -> None:
    limit(IP, LIMITS_FAIL="closed")

    response = client.get("/nothing-here")

    assert_problem(response, status=503, type="unavailable")
    assert response.headers["Retry-After"] == "2"
    assert "RateLimit" not in response.headers
    assert client.get("/system-health/live").status_code == 200


def test_death_and_return_are_recorded_once(
    limit: Limit, no_directory: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(IP, LIMITS_FAIL="closed")
    failures = instruments().FAILURES._value.get()
    now = time.monotonic()
    monkeypatch.setattr("systemlog.limits.guard.monotonic", lambda: now)

    with captured_records() as records:
        for _ in range(5):
            client.get("/nothing-here")
        no_directory.unlink()
        assert client.get("/nothing-here").status_code == 503  # nobody asks the store again so soon
        now += guard.PAUSE_S
        assert client.get("/nothing-here").status_code == 404

    assert [record.context["action"] for record in records] == ["limits.store_dead", "limits.store_back"]
    assert instruments().FAILURES._value.get() == failures + 1


def test_readiness_warns_or_fails(limit: Limit, no_directory: Path) -> None:
    assert probes.limits() is None  # there are no limits
    limit(IP)
    assert "every request is let in" in (probes.limits() or "")

    limit(IP, LIMITS_FAIL="closed")
    with pytest.raises(StoreUnavailable):
        probes.limits()

    no_directory.unlink()
    assert probes.limits() is None


def test_other_requests_may_be_refused_while_the_thread_of_the_records_starts(
    limit: Limit, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under gevent, where starting a thread lets other requests run."""
    limit(IP)
    begin, during = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if thread.name == "systemlog-refusals":
            other = threading.Thread(target=lambda: during.append(Client().get("/nothing-here").status_code))
            begin(other)
            other.join(DEADLINE_S)
        begin(thread)

    client.get("/nothing-here")
    monkeypatch.setattr(threading.Thread, "start", start)
    refusals._thread = None

    assert client.get("/nothing-here").status_code == 429
    assert during == [429]


def test_refusals_are_counted_by_policy(limit: Limit, client: Client) -> None:
    limit(IP)
    before = instruments().LIMITED.labels("ip")._value.get()

    for _ in range(3):
        client.get("/nothing-here")

    assert instruments().LIMITED.labels("ip")._value.get() == before + 2


def test_the_refused_keys_that_are_remembered_are_limited(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    class Far:
        is_remote = True

        def take(self, key: bytes, rate: Any, /) -> int:
            return -(10**9)

    monkeypatch.setattr(guard, "MAX_REFUSED", 10)
    kept = guard.RemoteGuard(Far())
    keys = [os.urandom(16) for _ in range(20)]
    for key in keys:
        kept.take(key, None)

    assert len(kept._refused) == 10
    assert (kept.known(keys[0]) or 0) < 0
    assert kept.known(os.urandom(16)) is None
