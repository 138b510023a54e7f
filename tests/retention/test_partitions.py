"""Partitions on PostgreSQL: their number, creation ahead, cancelled detaches, merging, sealing, change of length."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.probes import PartitionMissing, partitions_made_ahead
from systemlog.retention.prune import prune
from systemlog.storage.calendar import Span
from systemlog.storage.expiry import Policy
from systemlog.storage.partitions import PartitionState
from systemlog.storage.postgresql import partitioned, sealing
from tests.support.databases import on_citus
from tests.support.retention import NOW, TODAY, ago, messages, partitions_of_today, row, run, sql

pytestmark = [
    pytest.mark.skipif("connections[conf().DATABASE].vendor != 'postgresql'", reason="only PostgreSQL has partitions"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("fresh_partitions"),
]

Store = Callable[..., None]
DAYS = timedelta(days=1)
KEEP_ALL = [Policy(keep=None)]


def spans() -> list[Span]:
    return sorted(report.partition.span for report in partitions_of_today().values())


def state_at(instant: datetime) -> PartitionState:
    (state,) = {report.state for report in partitions_of_today().values() if instant in report.partition.span}
    return state


def test_any_timestamps_find_room_in_fewer_than_a_hundred_partitions(store: Store) -> None:
    draw = random.Random(8)
    instants = [datetime(1, 1, 2, tzinfo=UTC), datetime(1500, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    instants += [NOW + timedelta(seconds=draw.uniform(-60 * 365, 15 * 365) * 86400) for _ in range(120)]
    instants += [NOW - DAYS * day for day in range(120)]
    store(*(row(instant, f"{number}") for number, instant in enumerate(instants)))
    assert SystemLog.objects.count() == len(instants)
    assert len(spans()) < 100
    assert all(earlier.upper <= later.lower for earlier, later in pairwise(spans()))


def test_partitions_are_created_a_week_ahead_by_writers_and_by_pruning(store: Store) -> None:
    ahead = [name for name, report in partitions_of_today().items() if report.state is PartitionState.AHEAD]
    for name in ahead:
        sql(f"DROP TABLE {name}")
    partitioned.known_spans.clear()
    store(row(NOW))
    assert TODAY + 1.5 * DAYS in max(spans())
    prune(KEEP_ALL)
    assert TODAY + 7.1 * DAYS in max(spans())


def test_no_writer_waits_for_a_partition_ahead(store: Store) -> None:
    last = max(partitions_of_today().values(), key=lambda report: report.partition.span).partition.name
    sql(f"DROP TABLE {last}")
    partitioned.known_spans.clear()
    other = connections[conf().DATABASE].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "LOCK TABLE system_logs IN SHARE UPDATE EXCLUSIVE MODE"
            )  # as an ANALYZE of the whole table does
            store(row(NOW, "not held up"))
    finally:
        other.close()
    assert messages() == {"not held up"}


def test_the_probe_reports_a_missing_partition(store: Store) -> None:
    prune(KEEP_ALL)
    assert partitions_made_ahead() is None
    for name, report in partitions_of_today().items():
        if report.state is PartitionState.AHEAD:
            sql(f"DROP TABLE {name}")
    assert "for tomorrow is missing" in str(partitions_made_ahead())
    for name in partitions_of_today():
        sql(f"DROP TABLE {name}")
    with pytest.raises(PartitionMissing, match="prune_system_logs"):
        partitions_made_ahead()


def detach_and_be_cancelled(name: str) -> None:
    """Run DETACH CONCURRENTLY beside a reader until its statement timeout, which leaves the detach pending."""
    parameters = connections[conf().DATABASE].get_connection_params()
    parameters = {
        key: value for key, value in parameters.items() if key in ("host", "port", "user", "password", "dbname")
    }
    with psycopg.connect(**parameters) as reader, psycopg.connect(**parameters, autocommit=True) as admin:
        reader.execute("SELECT count(*) FROM system_logs")
        admin.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            admin.execute(f"ALTER TABLE system_logs DETACH PARTITION {name} CONCURRENTLY")


@pytest.mark.skipif(on_citus(), reason="a cluster knows no CONCURRENTLY")
@pytest.mark.parametrize("how", ["insert", "bulk", "save", "prune"])
def test_a_pending_detach_is_finished_by_whoever_needs_the_partition(store: Store, how: str) -> None:
    store(row(ago(40), "before"))
    (name,) = [name for name, report in partitions_of_today().items() if ago(40) in report.partition.span]
    detach_and_be_cancelled(name)
    assert state_at(ago(40)) is PartitionState.DETACHING
    if how == "prune":
        prune(KEEP_ALL)
    if how == "save":
        SystemLog.objects.create(message="after", timestamp=ago(40))
    elif how == "bulk":
        SystemLog.objects.bulk_create([SystemLog(message="after", timestamp=ago(40))])
    else:
        store(row(ago(40), "after"))
    assert messages() == {"after"}
    assert state_at(ago(40)) is not PartitionState.DETACHING
    assert sql(f"SELECT message FROM {name}") == [("before",)]  # the detached table is kept
    sql(f"DROP TABLE {name}")


def test_the_oldest_partitions_are_merged_where_there_are_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    merged_above = len(spans()) + 8
    monkeypatch.setattr("systemlog.storage.calendar.MERGED_ABOVE", merged_above)
    # Old partitions of a day that no prune has merged.
    first, number = (TODAY - 130 * DAYS).replace(day=1), 12
    for day in range(number):
        lower = first + day * DAYS
        sql(
            f"CREATE TABLE system_logs_of_old_{day} PARTITION OF system_logs"
            f" FOR VALUES FROM ('{lower:%Y-%m-%d}+00') TO ('{lower + DAYS:%Y-%m-%d}+00')"
        )
    partitioned.known_spans.clear()
    written = [row(first + day * DAYS + DAYS / 2, f"{day}") for day in range(number)]
    store(*written)
    prune(KEEP_ALL)
    assert len(spans()) <= merged_above
    assert spans()[0] == Span(first, first + 6 * DAYS)
    assert messages() == {each.message for each in written}
    store(row(first + DAYS / 3, "late"))
    assert "late" in messages()


def test_a_partition_is_sealed_when_its_span_is_over(store: Store) -> None:
    store(row(ago(3), "a needle"), row(NOW))
    assert state_at(ago(3)) is PartitionState.OPEN
    prune(KEEP_ALL)
    assert state_at(ago(3)) is PartitionState.SEALED
    assert state_at(NOW) is PartitionState.LIVE
    store(row(ago(3), "late"))
    assert messages() == {"a needle", "late", "m"}


def test_messages_of_sealed_partitions_are_indexed_by_trigrams_where_the_database_can(store: Store) -> None:
    if not sql("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"):
        pytest.skip("this PostgreSQL has no pg_trgm")
    store(row(ago(3), "a needle"))
    prune(KEEP_ALL)
    sql("CREATE EXTENSION pg_trgm")
    try:
        (name,) = [name for name, report in partitions_of_today().items() if ago(3) in report.partition.span]
        index = f"{sealing.TRIGRAM}{sql('SELECT %s::regclass::oid', name)[0][0]}"
        sql(f"CREATE INDEX {index} ON {name} USING gin (message gin_trgm_ops)")
        # The index that an interrupted build leaves.
        sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", index)
        prune(KEEP_ALL)
        assert sql("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", index) == [(True,)]
        prune([Policy(categories=("none",), keep=None), Policy(keep=1000 * DAYS)])
    finally:
        sql("DROP EXTENSION pg_trgm CASCADE")


def partition_of(instant: datetime) -> str:
    (name,) = [name for name, report in partitions_of_today().items() if instant in report.partition.span]
    return name


def category_index_of(partition: str) -> str:
    """Return the largest index of the partition that begins with the category."""
    return str(
        sql(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass"
            " AND pg_get_indexdef(indexrelid, 1, FALSE) = 'category' AND indpred IS NULL"
            " ORDER BY pg_relation_size(indexrelid) DESC, 1 LIMIT 1",
            partition,
        )[0][0]
    )


def fill_sparsely(instant: datetime) -> str:
    """Insert rows so that the pages of their indexes are mostly empty, and return the partition."""
    sql(
        "INSERT INTO system_logs (timestamp, id, category, message)"
        " SELECT %s::timestamptz + i * interval '1 millisecond', gen_random_uuid(), 'c' || i %% 20, i::text"
        " FROM generate_series(1, 60000) i",
        instant,
    )
    sql("DELETE FROM system_logs WHERE message::int %% 4 <> 0")
    return partition_of(instant)


@pytest.mark.skipif("on_citus()", reason="the rows of a partition are in its shards")
def test_sealing_rebuilds_indexes_that_are_half_empty(store: Store) -> None:
    store(row(ago(3), "0"))
    partition = fill_sparsely(ago(3))
    index = category_index_of(partition)
    before = sql("SELECT pg_relation_size(%s::regclass)", index)[0][0]
    prune(KEEP_ALL)
    assert sql("SELECT pg_relation_size(%s::regclass)", index)[0][0] < before / 2
    assert state_at(ago(3)) is PartitionState.SEALED
    assert SystemLog.objects.filter(category="c4").count() == 3000


@pytest.mark.skipif("on_citus()", reason="the rows of a partition are in its shards")
def test_sealing_keeps_indexes_that_a_rebuild_would_hardly_shrink(store: Store) -> None:
    store(row(ago(3), "0"))
    partition = fill_sparsely(ago(3))
    index = category_index_of(partition)
    sql(f"VACUUM (ANALYZE) {partition}")
    sql(f"REINDEX TABLE {partition}")
    before = sql("SELECT relfilenode FROM pg_class WHERE oid = %s::regclass", index)
    prune(KEEP_ALL)
    assert sql("SELECT relfilenode FROM pg_class WHERE oid = %s::regclass", index) == before


@pytest.mark.skipif("on_citus()", reason="the rows of a partition are in its shards")
def test_what_an_interrupted_rebuild_left_is_dropped_by_the_next_prune(store: Store) -> None:
    store(row(ago(3), "a"))
    partition = partition_of(ago(3))
    sql(f"CREATE INDEX left_over_ccnew1 ON {partition} (category)")
    sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_over_ccnew1'::regclass")
    prune(KEEP_ALL)
    assert sql("SELECT to_regclass('left_over_ccnew1') IS NULL") == [(True,)]


@pytest.mark.parametrize(("before", "after"), [("day", "month"), ("month", "day"), ("week", "day"), ("day", "week")])
def test_the_length_of_partitions_can_be_changed_on_a_live_table(
    store: Store, settings: Any, before: str, after: str
) -> None:
    def set_partition(partition: str) -> None:
        settings.SYSTEMLOG = {**settings.SYSTEMLOG, "PARTITION": partition}

    for name in partitions_of_today():
        sql(f"DROP TABLE {name}")
    partitioned.known_spans.clear()
    set_partition(before)
    store(row(NOW, "before"))
    prune(KEEP_ALL)
    set_partition(after)
    store(row(NOW, "between"))
    prune(KEEP_ALL)
    store(row(NOW, "after"), *(row(NOW + day * DAYS, f"{day}") for day in range(70)))
    assert messages() == {"before", "between", "after", *map(str, range(70))}
    assert all(earlier.upper <= later.lower for earlier, later in pairwise(spans()))
    if after == "day":
        days = [span for span in spans() if NOW + 3 * DAYS < span.lower < NOW + 7 * DAYS]
        assert {span.upper - span.lower for span in days} <= {DAYS}


def test_the_command_lists_every_partition(store: Store) -> None:
    store(*(row(ago(3), f"{n}") for n in range(50)))
    prune(KEEP_ALL)
    head, *partitions, total = (line.split() for line in run("system_log_partitions").splitlines())
    assert head == ["PARTITION", "FROM", "TO", "ROWS", "BYTES", "STATE"]
    assert len(partitions) == len(spans())
    assert total[:3] == [str(len(partitions)), "in", "all"]
    (line,) = [line for line in partitions if line[1] == f"{ago(3):%Y-%m-%dT00:00:00Z}"]
    assert line[3] == "50"
    assert int(line[4]) > 8192
    assert line[5] == "sealed"
    assert {line[5] for line in partitions} == {"sealed", "live", "ahead"}
