"""Repeated 4xx responses to one client: the first are logged, the others are counted."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from systemlog.problems import repeats as module
from systemlog.problems.repeats import repeats
from systemlog.testing import captured_records
from tests.support.waiting import eventually

MOST = 3
DEADLINE_S = 20
REFUSED = "/nothing/drf/401/"

Records = list[logging.LogRecord]


@pytest.fixture(autouse=True)
def counting(settings: Any) -> Iterator[None]:
    """Log three responses of each kind."""
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_LOG_REPEATS": MOST}
    repeats.flush()
    yield
    repeats.flush()


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that moves the clock of the counts."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    return pass_time


@pytest.fixture
def system_log_records() -> Iterator[list[Any]]:
    """Return the records of repeated responses."""
    with captured_records() as recorded:
        yield recorded


def once(records: Records) -> Records:
    """Return each record once, although several loggers may have passed it on."""
    return list({id(record): record for record in records}.values())


def actions(records: Records) -> list[str]:
    return [vars(record).get("action", "") for record in once(records)]


def test_the_first_are_logged_and_the_rest_of_the_minute_by_its_number(
    client: Client, records: Records, pass_time: Callable[[float], None]
) -> None:
    for _ in range(MOST + 40):
        assert client.get(REFUSED).status_code == 401
    assert actions(records) == ["problem"] * MOST

    pass_time(61)
    client.get(REFUSED, headers={"X-Request-ID": "of-the-next-minute"})

    assert actions(records)[MOST:] == ["problem.repeated", "problem"]
    counted = once(records)[MOST]
    of_it = vars(counted)
    assert counted.levelname == "WARNING"
    assert (of_it["count"], of_it["status_code"], of_it["address"]) == (40, 401, "127.0.0.1")
    assert counted.getMessage() == "40 more answers of 401 to 127.0.0.1 within a minute"


def test_what_was_counted_is_of_no_request(
    client: Client, system_log_records: list[Any], pass_time: Callable[[float], None]
) -> None:
    for _ in range(MOST + 1):
        client.get(REFUSED)
    pass_time(61)
    client.get(REFUSED, headers={"X-Request-ID": "of-the-next-minute"})

    (counted,) = [row for row in system_log_records if "more answers" in row.message]
    assert counted.correlation_id is None


def test_what_was_counted_is_told_though_nothing_else_comes(
    client: Client, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "WINDOW_S", 0.5)
    for _ in range(MOST + 1):
        client.get(REFUSED)
    assert eventually(lambda: actions(records)[MOST:] == ["problem.repeated"])


def test_other_responses_may_be_counted_while_the_timer_starts(
    client: Client, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under gevent, where starting a thread lets other requests run."""
    begin, during = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if isinstance(thread, threading.Timer):
            other = threading.Thread(target=lambda: during.append(Client().get(REFUSED).status_code))
            begin(other)
            other.join(DEADLINE_S)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(MOST + 1):
        client.get(REFUSED)

    assert during == [401]


def test_a_failure_is_never_counted(client: Client, records: Records) -> None:
    for _ in range(MOST + 5):
        client.get("/raises/drf/ValueError/")
    assert actions(records) == ["problem"] * (MOST + 5)


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", "192.0.2.2", id="IPv4"),
        pytest.param("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1", id="IPv6"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2", id="IPv4 in IPv6"),
    ],
)
def test_clients_are_told_apart_by_their_networks(
    client: Client, records: Records, address: str, same: str, other: str
) -> None:
    for _ in range(MOST):
        client.get(REFUSED, REMOTE_ADDR=address)
    client.get(REFUSED, REMOTE_ADDR=same)
    assert len(actions(records)) == MOST
    client.get(REFUSED, REMOTE_ADDR=other)
    assert len(actions(records)) == MOST + 1


@pytest.mark.django_db
def test_users_and_statuses_are_told_apart(client: Client, admin_user: User, records: Records) -> None:
    for _ in range(MOST + 1):
        client.get("/nothing/plain/403/")
        client.get(REFUSED)
    assert len(actions(records)) == 2 * MOST
    client.force_login(admin_user)
    client.get("/nothing/plain/403/")
    assert len(actions(records)) == 2 * MOST + 1


def test_any_number_of_clients_is_counted_in_bounded_memory(
    client: Client, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MAX_KINDS", 5)
    for number in range(40):
        client.get(REFUSED, REMOTE_ADDR=f"192.0.2.{number}")
    assert len(actions(records)) == 5 + MOST
    repeats.flush()
    assert records[-1].getMessage() == f"{40 - 5 - MOST} more answers of 401 to other addresses within a minute"


@pytest.mark.parametrize("character", ["x", "\N{GRINNING FACE}", "\x01"])
def test_a_long_path_is_cut_in_what_is_recorded_and_whole_in_the_answer(
    client: Client, settings: Any, system_log_records: list[Any], character: str
) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PROBLEM_LOG_LEVELS": {404: "WARNING"}, "ACCESS_LOG": True}
    response = client.get("/missing/" + character * 2000)
    assert len(response.json()["instance"]) > 2000
    assert {row.category for row in system_log_records} == {"django.request", "systemlog.access"}
    for row in system_log_records:
        assert len(row.message) < 600
        assert len(json.dumps(row.context, ensure_ascii=False)) < 4000
