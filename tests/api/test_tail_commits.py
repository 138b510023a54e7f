"""A tail beside writers whose transactions end in another order than they began: it misses and doubles nothing."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.test import Client

from systemlog.conf import conf
from systemlog.storage import Row, get_storage

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/system/logs/tail/"
WRITERS = 4
COMMITS = 40
LONGEST_S = 0.02


def write(writer: int, done: threading.Event, failures: list[BaseException]) -> None:
    """Store records in transactions that stay open for different times, some of them nested."""
    chance, pause = random.Random(writer), threading.Event()
    try:
        for number in range(COMMITS):
            at = datetime.now(UTC) - timedelta(days=chance.choice([0, 0, 0, 2]), seconds=chance.random())
            rows = [
                Row(at, uuid.uuid4(), "INFO", "c", "", f"{writer}-{number}-{n}", None, None, {}, None, None, None)
                for n in range(chance.choice([1, 3, 25]))
            ]
            with transaction.atomic(using=conf().DATABASE):
                get_storage().insert(rows[1:])
                pause.wait(chance.random() * LONGEST_S)
                with transaction.atomic(using=conf().DATABASE):
                    get_storage().insert(rows[:1])
                if chance.random() < 0.1:
                    transaction.set_rollback(True, using=conf().DATABASE)
    except BaseException as error:  # noqa: BLE001  (the test tells it)
        failures.append(error)
    finally:
        connections.close_all()
        done.set()


@pytest.fixture
def ask() -> Callable[..., Any]:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))

    def ask(after: str | None, limit: int = 50) -> Any:
        response = client.get(f"{URL}?category=c&limit={limit}" + (f"&after={after}" if after else ""))
        assert response.status_code == 200, response.content
        return response.json()

    return ask


def test_commits_in_any_order_are_followed_once(ask: Callable[..., Any]) -> None:
    chance = random.Random(5)
    after = ask(None)["after"]
    get_storage().ensure_partitions([datetime.now(UTC) - timedelta(days=days) for days in (0, 2)])
    ends = [threading.Event() for _ in range(WRITERS)]
    failures: list[BaseException] = []
    writers = [threading.Thread(target=write, args=[n, end, failures]) for n, end in enumerate(ends)]
    for writer in writers:
        writer.start()
    got: list[str] = []
    pause = threading.Event()
    while True:
        ended = all(end.is_set() for end in ends)
        page = ask(after, chance.choice([1, 7, 500]))
        assert not page["gap"]
        if chance.random() < 0.2:
            continue  # the answer was lost
        got += [item["message"] for item in page["items"]]
        after = page["after"]
        if ended and not page["more"] and not page["items"]:
            break
        pause.wait(chance.random() * LONGEST_S)
    for writer in writers:
        writer.join()
    assert not failures
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("SELECT message FROM system_logs WHERE category = 'c'")
        stored = [message for (message,) in cursor.fetchall()]
    assert len(stored) > WRITERS * COMMITS
    assert sorted(got) == sorted(stored)
