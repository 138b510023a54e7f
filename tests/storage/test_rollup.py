"""The roll-up has the same counts as the table, whatever writes or deletes records."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from systemlog.conf import conf
from systemlog.models import SystemLog, SystemLogRollup
from systemlog.records.ids import mint_id
from systemlog.retention.prune import prune
from systemlog.storage import Row, get_storage, rollup
from systemlog.storage.calendar import Span
from systemlog.storage.expiry import Policy
from tests.support.databases import on_citus

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
only_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite changes the row of its hour")

Key = tuple[datetime, str, str, str]


def rows(count: int, start: datetime = NOW, **columns: str) -> list[Row]:
    instants = [start - timedelta(minutes=7 * number) for number in range(count)]
    return [
        Row(instant, mint_id(instant), "INFO", "c", "s", "m", None, None, {}, None, None, None)._replace(**columns)
        for instant in instants
    ]


def counted() -> Counter[Key]:
    found: Counter[Key] = Counter()
    for hour in SystemLogRollup.objects.all():
        found[hour.hour, hour.source, hour.category, hour.level] += hour.count
    return Counter({key: count for key, count in found.items() if count})


def there() -> Counter[Key]:
    return Counter((rollup.hour_of(r.timestamp), r.source, r.category, r.level) for r in SystemLog.objects.all())


@pytest.mark.skipif(on_citus(), reason="a cluster counts what comes through the app: see test_citus.py")
def test_every_way_of_writing_is_counted_and_what_is_there_before_is_not() -> None:
    storage = get_storage()
    many = rows(50, level="ERROR")
    storage.insert(many)
    storage.insert([*many[:30], *rows(30, NOW - timedelta(days=40), category="old")])
    storage.insert(many[:3])
    SystemLog.objects.create(message="m", source="é", timestamp=datetime(2003, 1, 1, 5, 59, 59, 999999, tzinfo=UTC))
    SystemLog.objects.bulk_create([SystemLog(message="m", category="bulk") for _ in range(5)])
    SystemLog.objects.bulk_create([SystemLog(message="m", id=many[0].id, timestamp=NOW)] * 2, ignore_conflicts=True)
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("INSERT INTO system_logs (message, level) VALUES ('from SQL', 'NOTICE')")
    assert there().total() == 87
    assert counted() == there()


def test_a_transaction_that_is_rolled_back_counts_nothing() -> None:
    with transaction.atomic(using=conf().DATABASE):
        get_storage().insert(rows(30))
        transaction.set_rollback(True, using=conf().DATABASE)
    assert counted() == Counter()


@pytest.mark.django_db(transaction=True)
def test_what_is_pruned_counts_no_more() -> None:
    get_storage().insert([row for day in range(100) for row in rows(3, NOW - timedelta(days=day), level="DEBUG")])
    get_storage().insert(rows(200))
    call_command("prune_system_logs", "--older-than", "60d", verbosity=0)
    call_command("prune_system_logs", "--older-than", "20d", "--level", "DEBUG", verbosity=0)
    assert there().total() < 300
    assert counted() == there()


def test_recounting_mends_what_is_wrong_within_the_span_and_touches_nothing_else() -> None:
    get_storage().insert([row for day in range(10) for row in rows(2, NOW - timedelta(days=day))])
    truth = there()
    SystemLogRollup.objects.all()._raw_delete(conf().DATABASE)
    get_storage().recount_rollup(Span(NOW - timedelta(days=5), NOW + timedelta(days=1)))
    get_storage().recount_rollup(Span(NOW - timedelta(days=5), NOW + timedelta(days=1)))
    first = rollup.hour_of(NOW - timedelta(days=5))
    assert counted() == Counter({key: count for key, count in truth.items() if key[0] >= first})
    get_storage().recount_rollup(Span(NOW - timedelta(days=20), NOW))
    assert counted() == truth


@only_postgresql
def test_compacting_leaves_one_row_for_each_hour_and_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = get_storage()
    for row in rows(60):
        storage.insert([row])
    assert storage.compact_rollup() == 0  # too few rows
    monkeypatch.setattr(rollup, "WORTH_COMPACTING", 1)
    before = counted()
    assert storage.compact_rollup() == 60
    assert storage.compact_rollup() == 0
    storage.insert(rows(1, NOW - timedelta(microseconds=1)))
    assert storage.compact_rollup() == 1
    assert counted() == before + Counter(dict.fromkeys([(rollup.hour_of(NOW), "s", "c", "INFO")], 1)) == there()
    assert SystemLogRollup.objects.count() == len(counted())


@only_postgresql
@pytest.mark.django_db(transaction=True)
def test_writers_compaction_recounts_and_pruning_at_once_lose_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "WORTH_COMPACTING", 1)
    errors: list[Exception] = []
    written = threading.Event()
    old = NOW - timedelta(days=10)

    def write(source: str) -> None:
        for number in range(25):
            get_storage().insert(rows(2 + number % 30, NOW - timedelta(seconds=number), source=source))
            get_storage().insert(rows(2, old - timedelta(seconds=number), source=source))

    def until_written(action: object) -> None:
        while not written.is_set():
            action()

    def guarded(action: object, *arguments: object) -> None:
        try:
            action(*arguments)
        except Exception as error:  # noqa: BLE001  (the assertion below reports it)
            errors.append(error)
        finally:
            connections.close_all()

    get_storage().ensure_partitions([NOW, old])
    span = Span(NOW - timedelta(days=1), NOW + timedelta(days=1))
    besides = [
        lambda: get_storage().compact_rollup(),
        lambda: get_storage().recount_rollup(span),
        lambda: prune([Policy(keep=timedelta(days=5))]),
    ]
    writers = [threading.Thread(target=guarded, args=(write, source)) for source in "ab"]
    others = [threading.Thread(target=guarded, args=(until_written, action)) for action in besides]
    for thread in (*writers, *others):
        thread.start()
    for thread in writers:
        thread.join(timeout=60)
    written.set()
    for thread in others:
        thread.join(timeout=60)
    assert not errors
    assert counted() == there()


@only_postgresql
def test_compaction_waits_for_no_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "WORTH_COMPACTING", 1)
    other = connections[conf().DATABASE].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            rollup.lock_rollup(cursor)
            with connection.cursor() as ours:
                ours.execute("SET LOCAL statement_timeout = '2s'")
            get_storage().insert(rows(30))
            assert get_storage().compact_rollup() == 0
            cursor.execute("ROLLBACK")
            assert get_storage().compact_rollup() > 0
    finally:
        other.close()
