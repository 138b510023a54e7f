"""The command `manage.py prune_system_logs`."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models import QuerySet

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.storage import Row, get_storage

NOW = datetime.now(UTC)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("prune_system_logs", *arguments, stdout=out)
    return out.getvalue()


def records() -> QuerySet[SystemLog]:
    """Return the records of the tests, without the records about pruning."""
    return SystemLog.objects.exclude(category="systemlog.retention")


@pytest.fixture
def logs(transactional_db: None) -> None:
    """Store one record of each of the last 100 days. Every tenth is an ERROR, every fifth has the category audit."""
    rows = []
    for day in range(100):
        timestamp = NOW - timedelta(days=day, minutes=5)
        level, category = "ERROR" if day % 10 == 0 else "INFO", "audit" if day % 5 == 0 else "web"
        rows.append(Row(timestamp, uuid.uuid4(), level, category, "", "m", None, None, {}, None, None, None))
    get_storage().insert(rows)


@pytest.mark.parametrize(
    ("arguments", "deleted"),
    [
        (["--older-than", "30d"], 70),
        (["--older-than", "12w"], 16),
        (["--older-than", "30d", "--level", "error"], 7),
        (["--older-than", "30d", "--category", "audit", "--category", "web"], 70),
        (["--older-than", "30d", "--level", "INFO", "--category", "audit"], 7),
        (["--older-than", "30d", "--category", "none"], 0),
        (["--older-than", "900d"], 0),
    ],
)
def test_what_is_named_goes_and_nothing_else(logs: None, arguments: list[str], deleted: int) -> None:
    assert f"{deleted} records" in run(*arguments, "--dry-run")
    assert records().count() == 100
    assert f"{deleted} records" in run(*arguments)
    assert records().count() == 100 - deleted
    assert "0 records" in run(*arguments)


def test_what_is_pruned_can_come_again(logs: None) -> None:
    run("--older-than", "10d")
    SystemLog.objects.create(message="late", timestamp=NOW - timedelta(days=90))
    assert SystemLog.objects.filter(message="late").exists()


@pytest.mark.parametrize("age", ["", "30", "0d", "-3d", "30 days", "1e3d", "99999999d"])
def test_an_age_is_a_number_and_a_unit(age: str) -> None:
    with pytest.raises(CommandError, match="--older-than"):
        run("--older-than", age)


@pytest.mark.skipif("connections[conf().DATABASE].vendor != 'postgresql'", reason="only PostgreSQL has partitions")
def test_whole_partitions_are_dropped(logs: None) -> None:
    from systemlog.storage.postgresql.partitions import read_partitions

    run("--older-than", "30d")
    with connections[conf().DATABASE].cursor() as cursor:
        assert all(partition.span.upper > NOW - timedelta(days=31 + 31) for partition in read_partitions(cursor))
