"""What the tests of retention share."""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.storage import Row, get_storage

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
