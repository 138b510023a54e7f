"""Pruning by policy and by partition, beside writers, interrupted at any point, and refused where it is a mistake."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.retention.prune import plan, prune
from systemlog.storage import get_storage
from systemlog.storage.expiry import Policy
from systemlog.storage.partitions import PartitionState
from tests.support.databases import on_citus
from tests.support.retention import NOW, TODAY, ago, messages, partitions_of_today, row, run, sql

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]
rewrites = pytest.mark.skipif(on_citus(), reason="on a cluster the rows of a mixed partition are deleted")
only_postgresql = pytest.mark.skipif(
    "connections[conf().DATABASE].vendor != 'postgresql'", reason="only PostgreSQL has partitions"
)

Store = Callable[..., None]
DAYS = timedelta(days=1)
POLICIES = [
    {"category": "audit.*", "keep": "7y"},
    {"level": "DEBUG", "keep": "3d"},
    {"keep": "30d"},
]


@pytest.fixture
def policies(settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "RETENTION": POLICIES}


def test_the_first_policy_that_fits_decides(store: Store, policies: None) -> None:
    store(
        row(ago(2), "young debug", "DEBUG"),
        row(ago(5), "old debug", "DEBUG"),
        row(ago(5), "old debug of audit", "DEBUG", "audit.login"),
        row(ago(5), "young"),
        row(ago(40), "old"),
        row(ago(40), "old of another", category="audits"),
        row(ago(40), "old of audit", category="audit.login"),
        row(ago(3000), "very old of audit", category="audit.login"),
    )
    assert "4 records deleted." in run("prune_system_logs")
    assert messages() == {"young debug", "old debug of audit", "young", "old of audit"}
    assert "0 records deleted." in run("prune_system_logs")


def test_a_dry_run_tells_what_would_go_partition_by_partition(store: Store, policies: None) -> None:
    store(
        *(row(ago(40), f"old {n}") for n in range(3)),
        row(ago(40), "audit", category="audit.login"),
        row(ago(5), "debug", "DEBUG"),
        row(ago(5), "young"),
    )
    told = run("prune_system_logs", "--dry-run").splitlines()
    assert told[-1] == "4 records would be deleted."
    if connections[conf().DATABASE].vendor == "postgresql":
        how = "delete" if on_citus() else "rewrite"
        assert [line.split("  ")[2:] for line in told[:-1]] == [["3 of 4", how], ["1 of 2", how]]
    assert len(messages()) == 6


def test_what_was_pruned_is_itself_recorded(store: Store) -> None:
    store(row(ago(40)), row(ago(40), "n"), row(ago(1)))
    run("prune_system_logs", "--older-than", "30d")
    record = SystemLog.objects.get(category="systemlog.retention")
    assert record.message.startswith("Pruned 2 records of system_logs")
    assert record.context["rows"] == 2
    assert record.context["policies"][0]["before"][:10] == f"{NOW - 30 * DAYS:%Y-%m-%d}"


@pytest.mark.skipif("connections[conf().DATABASE].vendor != 'sqlite'", reason="the span of a partition is its own")
def test_the_record_about_pruning_names_the_span_of_what_went_and_not_of_the_whole_table(store: Store) -> None:
    store(row(ago(50)), row(ago(40)), row(ago(40), "stays", category="audit"), row(ago(60), "older", category="audit"))
    prune([Policy(categories=("audit",), keep=None), Policy(keep=30 * DAYS)])
    context = SystemLog.objects.get(category="systemlog.retention").context
    assert context["since"] == ago(50).isoformat()
    assert context["until"] == (ago(40) + timedelta(microseconds=1)).isoformat()


def test_without_a_policy_nothing_goes(store: Store) -> None:
    store(row(ago(4000)))
    with pytest.raises(CommandError, match=r"Set SYSTEMLOG\['RETENTION'\], or say --older-than"):
        run("prune_system_logs")
    with pytest.raises(CommandError, match="--older-than, which is missing"):
        run("prune_system_logs", "--level", "DEBUG")
    assert messages() == {"m"}


def test_a_record_from_the_future_tells_that_the_clock_is_wrong(store: Store) -> None:
    store(row(ago(40), "old"), row(NOW + 3 * DAYS, "ahead"))
    with pytest.raises(CommandError, match=r"a record of .* more than a day ahead"):
        run("prune_system_logs", "--older-than", "30d")
    assert messages() == {"old", "ahead"}
    run("prune_system_logs", "--older-than", "30d", "--trust-clock")
    assert messages() == {"ahead"}


@pytest.mark.parametrize("off", [timedelta(hours=-1), timedelta(days=3650)])
def test_a_clock_that_the_database_contradicts_is_wrong(
    store: Store, off: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + off

    store(row(ago(0.5)))
    monkeypatch.setattr("systemlog.retention.prune.datetime", Clock)
    with pytest.raises(CommandError, match="this host's clock says"):
        run("prune_system_logs", "--older-than", "30d")
    assert messages() == {"m"}


def test_records_to_be_archived_stay_while_no_archive_directory_is_set(store: Store, settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "RETENTION": [{"keep": "30d", "archive": True}]}
    store(row(ago(40)))
    with pytest.raises(CommandError, match="ARCHIVE_DIR"):
        run("prune_system_logs")
    assert messages() == {"m"}


def in_threads(*actions: Callable[[], object]) -> None:
    """Run the functions at the same time, and raise the first exception of any of them."""
    errors: list[Exception] = []

    def guarded(action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001  (raised below)
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_two_at_once_prune_what_one_would(store: Store) -> None:
    store(*(row(ago(day), f"{day} {n}") for day in (1, 40, 80, 120) for n in range(20)))
    in_threads(*[lambda: prune([Policy(keep=30 * DAYS)])] * 2)
    assert messages() == {f"1 {n}" for n in range(20)}
    assert sum(SystemLog.objects.filter(category="systemlog.retention").values_list("context__rows", flat=True)) == 60


MIXED = (Policy(categories=("audit",), keep=None), Policy(keep=30 * DAYS))
KEPT = {f"audit {n}" for n in range(5)}
GONE = {f"web {n}" for n in range(30)}


def mixed(day: float = 40) -> list[Any]:
    """Rows of one partition; those in KEPT do not expire."""
    return [row(ago(day), message, category=message.split()[0]) for message in sorted(KEPT | GONE)]


def test_rows_written_while_a_partition_is_rewritten_are_in_it_afterwards(store: Store) -> None:
    store(*mixed())
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        while not stop.is_set():
            message = f"late {len(written)}"
            get_storage().insert([row(ago(40), message, category="audit"), row(NOW, f"now {len(written)}")])
            written.append(message)

    def prune_often() -> None:
        try:
            for _ in range(4):
                prune(MIXED)
                get_storage().insert([each for each in mixed() if each.message in GONE])
            prune(MIXED)
        finally:
            stop.set()

    in_threads(write, prune_often)
    assert written
    assert messages() == KEPT | {*written} | {message.replace("late", "now") for message in written}


class Died(Exception):
    """Raised in place of a killed process."""


class DyingAt:
    """A database wrapper that imitates a process killed at the n-th statement: no later statement is executed."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Died
        return execute(sql, params, many, context)


@only_postgresql
def test_killed_at_any_statement_it_loses_nothing_and_the_next_run_ends_it(store: Store) -> None:
    count = random.randrange(5)  # each run of the suite tries another fifth of all statements
    finished = False
    while not finished:
        store(*mixed())
        with connections[conf().DATABASE].execute_wrapper(DyingAt(count)):
            try:
                prune(MIXED)
                finished = True
            except Died:
                pass
        assert messages() >= KEPT
        assert messages() in (KEPT, KEPT | GONE)
        store(row(ago(40), f"after {count}", category="audit"))  # can be inserted, whatever the killed run has left
        prune(MIXED)
        assert messages() == KEPT | {f"after {count}"}
        sql("DELETE FROM system_logs")
        count += 5
    assert count > 30
    names = sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^system_logs_(new|late|old)'")
    assert names == []


@only_postgresql
@rewrites
def test_a_process_killed_before_it_puts_the_copy_in_place_loses_nothing(store: Store) -> None:
    store(*mixed())
    given = connections[conf().DATABASE].settings_dict
    place = f"{given['USER']}:{given['PASSWORD']}@{given['HOST'].replace('/', '%2F')}:{given['PORT']}/{given['NAME']}"
    code = (
        "import django, signal; django.setup(); from datetime import timedelta; "
        "from systemlog.storage.expiry import Policy;"
        "from systemlog.retention.prune import prune; from systemlog.storage.postgresql import rewrite;"
        "rewrite.lock_partitions = lambda *_: (print('copied', flush=True), signal.pause());"
        "prune([Policy(categories=('audit',), keep=None), Policy(keep=timedelta(days=30))])"
    )
    environment = {**os.environ, "DATABASE_URL": f"postgres://{place}"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "copied\n"
        finally:
            process.kill()
    store(row(ago(40), "late", category="audit"))
    assert messages() == KEPT | GONE | {"late"}
    assert PartitionState.REWRITTEN in {report.state for report in partitions_of_today().values()}
    prune(MIXED)
    assert messages() == KEPT | {"late"}
    assert PartitionState.REWRITTEN not in {report.state for report in partitions_of_today().values()}


@only_postgresql
@rewrites
def test_a_rewritten_partition_shrinks_to_the_rows_that_stay(store: Store) -> None:
    store(
        *(row(ago(5), f"{n} {'x' * 500}", category="web") for n in range(2000)), row(ago(5), "stays", "ERROR", "audit")
    )
    (name,) = [name for name, report in partitions_of_today().items() if ago(5) in report.partition.span]
    before = partitions_of_today()[name].total_bytes
    prune([Policy(categories=("audit",), keep=None), Policy(keep=2 * DAYS)])
    assert messages() == {"stays"}
    assert partitions_of_today()[name].total_bytes < before / 5


@only_postgresql
def test_a_partition_that_is_over_and_wholly_expired_is_dropped(store: Store) -> None:
    store(row(ago(40)), row(ago(1)))
    prune([Policy(keep=30 * DAYS)])
    assert not any(ago(40) in report.partition.span for report in partitions_of_today().values())
    store(row(ago(40), "comes again"))
    assert messages() == {"m", "comes again"}


@only_postgresql
@rewrites
def test_a_reader_that_stays_holds_the_partition_and_no_writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systemlog.storage.postgresql.rewrite.TRIES", 2)
    store(row(ago(40), "old"))
    backup = connections[conf().DATABASE].copy()
    try:
        with backup.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT count(*) FROM system_logs")
            with pytest.raises(CommandError, match=r"Open transactions hold system_logs_\d+.* prune again"):
                run("prune_system_logs", "--older-than", "30d")
            store(row(ago(40), "late"), row(NOW, "now"))
    finally:
        backup.close()
    assert messages() == {"old", "late", "now"}
    run("prune_system_logs", "--older-than", "30d")
    assert messages() == {"now"}


@only_postgresql
def test_the_rollup_is_right_after_whatever_went(store: Store) -> None:
    store(*mixed(), *mixed(100), *(row(ago(5), f"debug {n}", "DEBUG" if n < 3 else "INFO") for n in range(10)))
    prune(
        [
            Policy(levels=("DEBUG",), keep=3 * DAYS),
            Policy(categories=("audit",), keep=60 * DAYS),
            Policy(keep=30 * DAYS),
        ]
    )
    assert len(messages()) == 5 + 7
    counted = sql("SELECT category, level, sum(count) FROM system_log_rollup GROUP BY 1, 2 HAVING sum(count) <> 0")
    there = sql("SELECT category, level, count(*) FROM system_logs GROUP BY 1, 2")
    assert sorted(counted) == sorted(there)


def pretend_more(count: int) -> None:
    """Let the roll-up claim this many more records in each of its rows, to tell its counts from those of the table."""
    sql("UPDATE system_log_rollup SET count = count + %s", count)


@only_postgresql
@pytest.mark.parametrize("age", [40, pytest.param(1, marks=rewrites)])
def test_the_rows_of_an_expired_partition_are_not_counted_where_the_rollup_knows_their_number(
    store: Store, age: int
) -> None:
    store(row(ago(age)), row(ago(age), "n"), row(NOW, "now"))
    pretend_more(1000)
    expired = [Policy(keep=NOW - TODAY)]
    assert [(step.rows, step.expired) for step in plan(expired)] == [(1002, 1002)]
    prune(expired)
    assert messages() == {"now"}
    assert SystemLog.objects.get(category="systemlog.retention").context["rows"] == 1002


@only_postgresql
@pytest.mark.parametrize("age", [40, pytest.param(1, marks=rewrites)])
def test_the_rows_of_an_expired_partition_are_counted_where_the_rollup_knows_none(store: Store, age: int) -> None:
    store(row(ago(age)), row(ago(age), "n"), row(NOW, "now"))
    sql("DELETE FROM system_log_rollup")
    assert [step.expired for step in plan([Policy(keep=NOW - TODAY)])] == [2]
    assert prune([Policy(keep=NOW - TODAY)]).deleted == 2
    assert messages() == {"now"}


@only_postgresql
@pytest.mark.skipif(on_citus(), reason="on a cluster a partition is distributed when it is created")
def test_of_a_partition_that_begins_and_ends_within_an_hour_only_the_rows_of_these_hours_are_counted(
    store: Store,
) -> None:
    midnight = ago(40) - timedelta(hours=12)
    lower, upper = midnight + timedelta(minutes=30), midnight + timedelta(hours=5, minutes=45)
    sql(f"CREATE TABLE system_logs_odd PARTITION OF system_logs FOR VALUES FROM ('{lower}') TO ('{upper}')")
    store(
        row(midnight, "before"),
        row(lower, "first"),
        row(midnight + timedelta(hours=3), "whole hour"),
        row(upper - timedelta(minutes=1), "last"),
        row(upper, "after"),
    )
    pretend_more(1000)
    steps = {step.partition.name: step.expired for step in plan([Policy(keep=30 * DAYS)])}
    assert steps["system_logs_odd"] == 1003
    prune([Policy(keep=30 * DAYS)])
    assert messages() == set()


@only_postgresql
@rewrites
def test_rows_that_arrive_while_the_partition_of_yesterday_is_emptied_are_kept(store: Store) -> None:
    store(row(ago(1)), row(ago(1), "n"))

    def arrive(execute: Any, statement: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(statement, params, many, context)
        if statement.startswith("ANALYZE"):
            in_threads(lambda: get_storage().insert([row(ago(1), "late")]))
        return done

    with connections[conf().DATABASE].execute_wrapper(arrive):
        assert prune([Policy(keep=NOW - TODAY)]).deleted == 2
    assert messages() == {"late"}
