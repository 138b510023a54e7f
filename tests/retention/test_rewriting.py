"""Partitions of which some rows stay: they are rewritten beside writers, interrupted at any point."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections

from systemlog.conf import conf
from systemlog.retention.prune import prune
from systemlog.storage import get_storage
from systemlog.storage.expiry import Policy
from systemlog.storage.partitions import PartitionState
from tests.support.retention import (
    DAYS,
    NOW,
    ago,
    in_threads,
    messages,
    only_postgresql,
    partitions_of_today,
    rewrites,
    row,
    run,
    sql,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]


Store = Callable[..., None]


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
