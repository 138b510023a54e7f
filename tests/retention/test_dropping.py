"""Partitions whose rows have all expired: they are dropped, and their rows are counted by the roll-up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.retention.prune import plan, prune
from systemlog.storage import get_storage
from systemlog.storage.expiry import Policy
from tests.support.databases import on_citus
from tests.support.retention import (
    DAYS,
    NOW,
    TODAY,
    ago,
    in_threads,
    messages,
    only_postgresql,
    partitions_of_today,
    rewrites,
    row,
    sql,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]


Store = Callable[..., None]


@only_postgresql
def test_a_partition_that_is_over_and_wholly_expired_is_dropped(store: Store) -> None:
    store(row(ago(40)), row(ago(1)))
    prune([Policy(keep=30 * DAYS)])
    assert not any(ago(40) in report.partition.span for report in partitions_of_today().values())
    store(row(ago(40), "comes again"))
    assert messages() == {"m", "comes again"}


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
