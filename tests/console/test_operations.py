"""The page of operations, and the start page: each part says how it is, and fails alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from systemlog.console.operations import registry
from systemlog.console.operations.registry import Part, register
from systemlog.console.operations.report import Cell, Fact, Report, State, Table
from tests.support.console import LIST, NOW, page_of, store

pytestmark = pytest.mark.django_db(transaction=True)

OPERATIONS = f"{LIST}operations/"


@pytest.fixture
def another_part() -> Iterator[Callable[[Callable[[Any], Any]], None]]:
    """A function that registers a part with a given reader."""

    def add(read: Callable[[Any], Any]) -> None:
        register(Part("another", "Another part", read))

    yield add
    registry._parts.pop("another", None)


def text_of(client: Client, path: str = OPERATIONS) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(page_of(response).text.split())


def test_every_part_is_there(client: Client, journal: Callable[..., Any]) -> None:
    journal(RETENTION=[{"keep": "30d"}])
    store({"message": "m"}, {"message": "old", "timestamp": NOW - timedelta(days=60)})
    text = text_of(client)
    for words in ("Health", "database:default", "Journal", "Records land soon", "Storage", "Retention"):
        assert words in text
    assert "A run now would delete 1 record." in text


def test_the_problems_of_the_last_day_are_counted_by_type(client: Client) -> None:
    def problem(slug: str, level: str = "WARNING", hours: int = 1) -> dict[str, Any]:
        context = {"action": "problem", "problem": slug}
        timestamp = NOW - timedelta(hours=hours)
        return {"category": "django.request", "level": level, "context": context, "timestamp": timestamp}

    store(problem("not-found"), problem("not-found"), problem("internal-error", "ERROR"), problem("gone", hours=30))
    response = client.get(OPERATIONS)
    assert "3 errors answered within the last day, 1 of them the server's own" in text_of(client)
    rows = [" ".join(row.split()) for row in page_of(response).rows]
    assert any(row.endswith("not-found20") for row in rows), rows
    assert not any("gone" in row for row in rows)


def test_a_part_of_another_room_is_shown_as_it_reports(
    client: Client, another_part: Callable[[Callable[[Any], Any]], None]
) -> None:
    table = Table(("Rule", "State"), [[Cell("too many errors", state=State.ERROR), Cell("fires")]])
    facts = [Fact("Rules", "7", note="of 9")]
    another_part(lambda user: Report("One alert fires.", State.ERROR, facts, table, link="/x", link_text="All alerts"))
    text = text_of(client)
    for words in ("Another part", "One alert fires.", "All alerts", "Rules", "of 9", "too many errors", "fires"):
        assert words in text


def test_a_part_that_is_not_in_use_is_not_shown(
    client: Client, another_part: Callable[[Callable[[Any], Any]], None]
) -> None:
    another_part(lambda user: None)
    assert "Another part" not in text_of(client)


def test_a_part_that_raises_fails_alone(client: Client, another_part: Callable[[Callable[[Any], Any]], None]) -> None:
    def fail(user: Any) -> None:
        raise RuntimeError("a secret")

    another_part(fail)
    text = text_of(client)
    assert "It failed: RuntimeError" in text
    assert "a secret" not in text
    assert "Journal" in text


def test_a_part_that_hangs_costs_one_thread_and_delays_nothing_else(
    client: Client, another_part: Callable[[Callable[[Any], Any]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "TIMEOUT_S", 0.3)
    runs, go_on = [], threading.Event()

    def hang(user: Any) -> None:
        runs.append(threading.current_thread())
        go_on.wait(30)

    another_part(hang)
    for _ in range(3):
        assert "Another part" in (text := text_of(client))
        assert "It gave no answer in time" in text
    go_on.set()
    runs[0].join()
    assert len(runs) == 1


def test_a_part_that_two_users_read_at_once_is_shown_to_both() -> None:
    both = threading.Barrier(2, timeout=3)
    answers: list[registry.Shown] = []

    def read(user: Any) -> Report:
        both.wait()
        return Report(f"for {user}")

    def look(user: str) -> None:
        answers.extend(registry.show([Part("another", "Another part", read)], user))

    threads = [threading.Thread(target=look, args=(user,)) for user in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.report.summary for each in answers) == ["for ann", "for bob"]


def test_details_of_probes_need_their_permission(client_of: Callable[..., Client], settings: Any) -> None:
    settings.HEALTH = {"PROBES": {"cellar": {"PROBE": "tests.console.test_operations.broken_probe"}}}
    assert "a secret path" not in text_of(client_of("view"))
    user = User.objects.get()
    user.user_permissions.add(Permission.objects.get(codename="view_details"))
    client = Client()
    client.force_login(User.objects.get())
    assert "a secret path" in text_of(client)


def broken_probe() -> str:
    """A probe that warns."""
    return "a secret path"


def test_the_start_page_shows_the_last_hour_to_who_may_read_the_log(client_of: Callable[..., Client]) -> None:
    store({"message": "it broke", "level": "ERROR"}, {"message": "long ago", "timestamp": NOW - timedelta(hours=5)})
    text = text_of(client_of("view"), "/admin/")
    for words in ("Operations platform", "Last hour", "it broke", "database:default"):
        assert words in text
    assert "long ago" not in text
    text = text_of(client_of(), "/admin/")
    assert "it broke" not in text
    assert "database:default" not in text


def test_tokens_are_called_what_they_are(client: Client) -> None:
    User.objects.update(is_superuser=True)
    text = text_of(client, "/admin/") + text_of(client, "/admin/knox/authtoken/")
    assert "API tokens" in text
    for word in ("Knox", "Auth token", "Django administration", "Django site admin"):
        assert word not in text


def test_a_database_that_is_away_fails_its_parts_alone(
    client: Client, another_part: Callable[[Callable[[Any], Any]], None]
) -> None:
    def fail(user: Any) -> None:
        raise OperationalError("connection to server at 10.0.0.7 failed")

    another_part(fail)
    text = text_of(client)
    assert "The database does not answer." in text
    assert "10.0.0.7" not in text
