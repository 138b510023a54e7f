"""Helpers for tests of retention."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.storage import Row, get_storage
from tests.support.databases import on_citus

NOW = datetime.now(UTC)


TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def ago(days: float) -> datetime:
    """Return noon (UTC) of the day that was `days` days ago."""
    return TODAY - timedelta(days=days) + timedelta(hours=12)


def row(timestamp: datetime, message: str = "m", level: str = "INFO", category: str = "web", **context: Any) -> Row:
    """Return a record whose id depends only on its message and time."""
    record_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{timestamp} {message}")
    return Row(timestamp, record_id, level, category, "", message, None, None, context, None, None, None)


def messages() -> set[str]:
    """Return the messages of the stored records, without the records about pruning."""
    return set(SystemLog.objects.exclude(category="systemlog.retention").values_list("message", flat=True))


def run(command: str, *arguments: str) -> str:
    """Run a command, and return its output."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def partitions_of_today() -> dict[str, Any]:
    """Return the partitions by name."""
    return {report.partition.name: report for report in get_storage().partitions()}


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run plain SQL on the log database, and return its rows."""
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


rewrites = pytest.mark.skipif(on_citus(), reason="on a cluster the rows of a mixed partition are deleted")

only_postgresql = pytest.mark.skipif(
    "connections[conf().DATABASE].vendor != 'postgresql'", reason="only PostgreSQL has partitions"
)

DAYS = timedelta(days=1)


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
