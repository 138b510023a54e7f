"""The time budget of a search on PostgreSQL: it holds when tables are locked, and leaves no timeout in the session."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.records.ids import instant_of, mint_id
from systemlog.search.counting.facets import count_facets
from systemlog.search.counting.total import count
from systemlog.search.pages import find_page
from systemlog.search.plan import Plan
from systemlog.storage import BudgetSpent, get_storage
from systemlog.storage.postgresql import partitioned
from tests.support.databases import on_citus

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connections['default'].vendor != 'postgresql'", reason="SQLite's limit is no setting"),
]

LIMITS = ("statement_timeout", "jit", "max_parallel_workers_per_gather")
EVERYTHING = Plan(SystemLog.objects.all())


def limits() -> list[Any]:
    found = []
    with connections[conf().DATABASE].cursor() as cursor:
        for name in LIMITS:
            cursor.execute(f"SHOW {name}")
            found.append(cursor.fetchone()[0])
    return found


def overspend() -> None:
    with get_storage().budget() as allow, connections[conf().DATABASE].cursor() as cursor:
        allow(0.01)
        cursor.execute("SELECT pg_sleep(5)")


def everything_locked() -> AbstractContextManager[None]:
    """A block in which another session holds the strongest lock on `system_logs`."""
    return table_locked("system_logs")


@contextmanager
def table_locked(name: str) -> Iterator[None]:
    """A block in which another session holds the strongest lock on a table or partition."""
    other = connections[conf().DATABASE].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        other.close()


@pytest.fixture(autouse=True)
def one_record(settings: Any) -> None:
    SystemLog.objects.create(message="m")
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 30.0}


def test_a_search_leaves_no_limit_in_the_connection() -> None:
    before = limits()
    assert find_page(EVERYTHING, limit=5).complete
    count(EVERYTHING)
    assert limits() == before
    with pytest.raises(BudgetSpent):
        overspend()
    assert limits() == before


def test_a_budget_that_ends_inside_the_driver_is_spent_as_well() -> None:
    def overspend_in_the_driver() -> None:
        with get_storage().budget() as allow:
            allow(0.01)
            # As where Django closes a cursor of the server's, and does not make the driver's error its own.
            connections[conf().DATABASE].connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(BudgetSpent):
        overspend_in_the_driver()
    assert SystemLog.objects.count() == 1


def test_a_search_within_a_transaction_gives_it_its_own_limits_back() -> None:
    with transaction.atomic(using=conf().DATABASE):
        with connections[conf().DATABASE].cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '77s'")
        before = limits()
        assert find_page(EVERYTHING, limit=5).complete
        assert limits() == before
        with pytest.raises(BudgetSpent):
            overspend()
        assert limits() == before
        assert SystemLog.objects.count() == 1


@pytest.mark.parametrize("seen_for_s", [3600, -1], ids=["partitions are known", "partitions are not known"])
def test_a_locked_table_is_an_incomplete_answer_and_no_error(
    settings: Any, monkeypatch: pytest.MonkeyPatch, seen_for_s: int
) -> None:
    get_storage().partition_spans()
    monkeypatch.setattr(partitioned, "SPANS_CACHED_S", seen_for_s)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    unhurried = settings.SYSTEMLOG
    settings.SYSTEMLOG = {**unhurried, "SEARCH_TIMEOUT_S": 0.2}
    with everything_locked():
        started = time.monotonic()
        page = client.get("/system/logs/?category=general")
        took = time.monotonic() - started
        counted = client.get("/system/logs/facets/?field=level&q=m")
    settings.SYSTEMLOG = unhurried
    assert page.status_code == 200
    body = page.json()
    assert (body["items"], body["complete"]) == ([], False)
    assert (body["total"], body["total_relation"]) == (1, "eq")  # of the roll-up
    assert body["searched_until"]
    assert took < 5
    assert counted.json()["complete"] is False
    assert [item["message"] for item in client.get(body["next"]).json()["items"]] == ["m"]
    assert count_facets(EVERYTHING, "level").values == [("INFO", 1)]


def test_a_page_and_its_total_are_one_transaction_of_few_statements() -> None:
    now = datetime.now(UTC)
    SystemLog.objects.bulk_create([SystemLog(message="m", timestamp=now - timedelta(minutes=n)) for n in range(30)])
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    client.get("/system/logs/?limit=5")  # reads which partitions there are
    with CaptureQueriesContext(connections[conf().DATABASE]) as queries:
        page = client.get("/system/logs/?limit=5").json()
    assert (page["total"], page["total_relation"]) == (31, "eq")
    sent = [query["sql"] for query in queries.captured_queries if "auth_" not in query["sql"]]
    first = sent.index("BEGIN")
    assert (sent.count("BEGIN"), sent[-1]) == (1, "COMMIT")
    # Two budgets and the page; the roll-up once or, where partitions reach back far, twice.
    assert len(sent[first + 1 : -1]) in (4, 5), sent


def test_a_record_at_the_end_of_time_hides_no_others() -> None:
    with connections[conf().DATABASE].cursor() as cursor:
        get_storage().ensure_partitions([datetime.max.replace(tzinfo=UTC)])
        cursor.execute("INSERT INTO system_logs (timestamp, message) VALUES ('infinity', 'no date of Python')")
    assert [record.message for record in find_page(EVERYTHING, limit=5).items] == ["m"]


def test_no_filter_finds_a_record_that_no_date_of_python_can_tell() -> None:
    """The search does not fail either. No cursor could express the position of such a record."""
    own = {"user_id": "u", "correlation_id": "c", "level": "CRITICAL", "category": "far"}
    far = {uuid.uuid4(): text for text in ("infinity", "-infinity", "12000-01-01")}
    get_storage().ensure_partitions([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO system_logs (id, timestamp, message, {', '.join(own)}) VALUES (%s, %s, '', %s, %s, %s, %s)",
            [[record_id, text, *own.values()] for record_id, text in far.items()],
        )
    SystemLog.objects.bulk_create([SystemLog(message="m", **own) for _ in range(2)])
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for asked in ("user_id=u", "correlation_id=c", "level=CRITICAL", "category=far", "user_id=u&level=CRITICAL"):
        first = client.get(f"/system/logs/?{asked}&limit=1").json()
        second = client.get(first["next"]).json()
        assert [item["message"] for page in (first, second) for item in page["items"]] == ["m", "m"], asked
        assert second["next"] is None
    assert {client.get(f"/system/logs/{record_id}/").status_code for record_id in far} == {404}


@pytest.mark.skipif(on_citus(), reason="on a cluster no function looks records up: each query locks all shards")
def test_a_lookup_does_not_wait_for_a_partition_that_is_locked() -> None:
    """A record is still found by its id, and a page says that it is not complete."""
    get_storage().ensure_partitions([datetime(2001, 1, 1, tzinfo=UTC)])
    old = min(get_storage().partitions(), key=lambda report: report.partition.span.lower).partition
    record_id = mint_id(datetime.now(UTC))
    SystemLog.objects.bulk_create([SystemLog(id=record_id, timestamp=instant_of(record_id), correlation_id="c")])
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    with table_locked(old.name):
        record = client.get(f"/system/logs/{record_id}/").json()
        page = client.get("/system/logs/?correlation_id=c").json()
    assert record["id"] == str(record_id)
    assert (page["items"], page["complete"]) == ([], False)
    assert page["next"]
