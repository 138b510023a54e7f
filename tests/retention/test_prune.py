"""Pruning by policy: which records expire, what is reported and recorded, and when pruning is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.retention.prune import prune
from systemlog.storage.expiry import Policy
from tests.support.databases import on_citus
from tests.support.retention import DAYS, NOW, ago, in_threads, messages, row, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]

Store = Callable[..., None]


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


def test_two_at_once_prune_what_one_would(store: Store) -> None:
    store(*(row(ago(day), f"{day} {n}") for day in (1, 40, 80, 120) for n in range(20)))
    in_threads(*[lambda: prune([Policy(keep=30 * DAYS)])] * 2)
    assert messages() == {f"1 {n}" for n in range(20)}
    assert sum(SystemLog.objects.filter(category="systemlog.retention").values_list("context__rows", flat=True)) == 60
