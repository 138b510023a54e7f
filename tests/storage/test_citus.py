"""Differences on a Citus cluster. The other tests of the rooms run on a cluster too, with `-m citus`."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction

from systemlog.conf import conf
from systemlog.models import SystemLog, SystemLogRollup
from systemlog.records.copy_text import encode
from systemlog.storage import Row, Slice, get_storage
from systemlog.storage.calendar import BEGINNING, FIRST_DECADE, Span
from systemlog.storage.postgresql import citus
from systemlog.storage.postgresql.partitions import read_partitions
from tests.support.databases import on_citus

on_a_cluster = pytest.mark.skipif(not on_citus(), reason="needs a Citus cluster: -m citus with CITUS_DATABASE_URL")
elsewhere = pytest.mark.skipif(on_citus(), reason="is about a database that is no cluster")

YEARS_AGO = datetime(2003, 8, 6, 9, 52, 50, tzinfo=UTC)


def rows(count: int, start: datetime = YEARS_AGO) -> list[Row]:
    return [
        Row(start + timedelta(seconds=n), uuid.uuid4(), "INFO", "c", "s", "m", None, None, {}, None, None, None)
        for n in range(count)
    ]


def ask(statement: str, *values: object) -> list[tuple[Any, ...]]:
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def rollup_total() -> int:
    return sum(SystemLogRollup.objects.values_list("count", flat=True))


@pytest.fixture
def undistributed(transactional_db: None) -> Iterator[None]:
    """The table and its records as on one PostgreSQL, without distribution."""
    call_command("distribute_system_logs", "--undo", stdout=StringIO())
    yield
    call_command("distribute_system_logs", stdout=StringIO())


@on_a_cluster
@pytest.mark.django_db(transaction=True)
def test_records_lie_on_every_worker() -> None:
    get_storage().insert(rows(100))
    counts = ask(
        "SELECT nodeport, sum(result::int) FROM run_command_on_shards('system_logs', 'SELECT count(*) FROM %%s')"
        " JOIN pg_dist_shard_placement USING (shardid) GROUP BY nodeport"
    )
    assert len(counts) == len(ask("SELECT FROM pg_dist_node WHERE shouldhaveshards"))
    assert all(count > 0 for _, count in counts)
    assert sum(count for _, count in counts) == 100


@on_a_cluster
@pytest.mark.django_db
def test_what_the_app_stores_is_counted_once() -> None:
    many = rows(50)
    get_storage().insert(many[:5])
    get_storage().insert(many)
    get_storage().insert(many)
    SystemLog.objects.create(message="m", timestamp=YEARS_AGO, category="created")
    SystemLog.objects.bulk_create([SystemLog(message="m", timestamp=YEARS_AGO, category="bulk") for _ in "abc"])
    counts: Counter[str] = Counter()
    for hour in SystemLogRollup.objects.all():
        counts[hour.category] += hour.count
    assert counts == {"c": 50, "created": 1, "bulk": 3}


@on_a_cluster
@pytest.mark.django_db(transaction=True)
def test_lines_of_the_journal_land_once_with_their_counts() -> None:
    lines = [encode(row) for row in rows(40)]
    segment, other = uuid.uuid4(), uuid.uuid4()
    assert get_storage().land([Slice(segment, 0, 100, lines[:10])], 0) == {segment: 100}
    # After a lost checkpoint, ten of these lines are stored already. Then a slice that another lander has landed.
    assert get_storage().land([Slice(other, 0, 200, lines)], 0) == {other: 200}
    assert get_storage().land([Slice(segment, 0, 100, lines[:10])], 0) == {segment: 100}
    assert SystemLog.objects.count() == 40
    assert sum(SystemLogRollup.objects.values_list("count", flat=True)) == 40


@on_a_cluster
@pytest.mark.django_db
def test_a_record_is_looked_up_by_id_in_one_shard() -> None:
    (row,) = rows(1)
    get_storage().insert([row])
    plan = json.loads(SystemLog.objects.filter(id=row.id).order_by("-timestamp")[:1].explain(format="json"))
    assert plan[0]["Plan"]["Distributed Query"]["Job"]["Task Count"] == 1


@on_a_cluster
@pytest.mark.django_db(transaction=True)
def test_writers_of_the_same_keys_store_them_once() -> None:
    same = rows(400)
    stored: list[int] = []

    def write() -> None:
        try:
            stored.append(get_storage().insert(same))
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert len(stored) == 4
    assert sum(stored) == SystemLog.objects.count() == 400


@on_a_cluster
@pytest.mark.django_db(transaction=True)
def test_a_pruned_partition_is_gone_on_the_workers() -> None:
    get_storage().insert(rows(50))
    call_command("prune_system_logs", "--older-than", "800w", verbosity=0)
    with connections[conf().DATABASE].cursor() as cursor:
        assert not any(YEARS_AGO in partition.span for partition in read_partitions(cursor))
    tables = "SELECT count(*) FROM pg_class WHERE relname ~ '^system_logs_(20000101_20100101|old)_[0-9]+'"
    assert {count for (count,) in ask("SELECT result FROM run_command_on_workers(%s)", tables)} == {"0"}


@on_a_cluster
def test_records_and_their_guard_survive_the_way_to_the_cluster_and_back(undistributed: None) -> None:
    get_storage().insert(rows(30))
    stored = set(SystemLog.objects.values_list("timestamp", "id"))
    counted = rollup_total()
    for arguments in ([], ["--undo"]):
        call_command("distribute_system_logs", *arguments, stdout=StringIO())
        with connections[conf().DATABASE].cursor() as cursor:
            assert citus.is_distributed(cursor) is (not arguments)
            assert rollup_total() == counted
        assert set(SystemLog.objects.values_list("timestamp", "id")) == stored
        with pytest.raises(IntegrityError), transaction.atomic(using=conf().DATABASE):
            ask("UPDATE system_logs SET message = 'x' RETURNING 1")


@on_a_cluster
def test_a_table_that_is_not_as_the_setting_says_is_named(undistributed: None) -> None:
    def complaints() -> list[str]:
        found = run_checks(tags=["database"], databases=[conf().DATABASE])
        return [each.msg for each in found if each.id == "systemlog.W030"]

    assert complaints() == ["SYSTEMLOG['CITUS'] is True, but system_logs is not distributed."]
    call_command("distribute_system_logs", stdout=StringIO())
    assert complaints() == []


@on_a_cluster
def test_migrating_back_and_forth_distributes_the_log_again(transactional_db: None) -> None:
    get_storage().insert(rows(30))
    call_command("migrate", "systemlog", "0001_initial", verbosity=0)
    with connections[conf().DATABASE].cursor() as cursor:
        assert citus.is_distributed(cursor) is False
    call_command("migrate", "systemlog", verbosity=0)
    with connections[conf().DATABASE].cursor() as cursor:
        assert citus.is_distributed(cursor) is True
    assert SystemLog.objects.count() == rollup_total() == 30


@elsewhere
@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_no_cluster_is_not_distributed() -> None:
    on_postgresql = connections[conf().DATABASE].vendor == "postgresql"
    with pytest.raises(CommandError, match="add the workers" if on_postgresql else "only PostgreSQL"):
        call_command("distribute_system_logs")
    if on_postgresql:
        call_command("distribute_system_logs", "--undo", stdout=(out := StringIO()))
        assert out.getvalue() == "system_logs is not distributed.\n"


@elsewhere
@pytest.mark.skipif("connections[conf().DATABASE].vendor != 'postgresql'", reason="only PostgreSQL can have Citus")
@pytest.mark.django_db
def test_a_database_without_the_extension_is_refused_with_what_to_do() -> None:
    with connections[conf().DATABASE].cursor() as cursor, pytest.raises(ImproperlyConfigured, match="add the workers"):
        citus.distribute(cursor)


@pytest.mark.django_db
@pytest.mark.skipif("connections[conf().DATABASE].vendor == 'postgresql'", reason="PostgreSQL can be a cluster")
def test_a_cluster_of_another_vendor_is_named(settings: Any) -> None:
    settings.SYSTEMLOG = {"DATABASE": conf().DATABASE, "CITUS": True}
    assert [each.id for each in run_checks() if each.id == "systemlog.E030"]


@pytest.mark.skipif("connections['default'].vendor != 'postgresql'", reason="SQLite has no such locks")
@pytest.mark.django_db(transaction=True)
def test_a_partition_of_two_thousand_years_can_be_counted_anew() -> None:
    """The days of the partition need no more locks than a server has room for, on a cluster and elsewhere."""
    storage = citus.CitusStorage(connections[conf().DATABASE])
    storage.recount_rollup(Span(BEGINNING, FIRST_DECADE))
