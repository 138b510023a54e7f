"""Records of many ages, and the leaves they lie in."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.storage import Row, get_storage
from systemlog.storage.postgresql import partitioned

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def ago(days: float) -> datetime:
    """An instant in the middle of the day that lies so many days back."""
    return TODAY - timedelta(days=days) + timedelta(hours=12)


def row(timestamp: datetime, message: str = "m", level: str = "INFO", category: str = "web", **context: Any) -> Row:
    """A record; its id depends on its message and time alone."""
    record_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{timestamp} {message}")
    return Row(timestamp, record_id, level, category, "", message, None, None, context, None, None, None)


def messages() -> set[str]:
    """The messages that are stored, without what tells of pruning."""
    return set(SystemLog.objects.exclude(category="systemlog.retention").values_list("message", flat=True))


def run(command: str, *arguments: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def partitions_of_today() -> dict[str, Any]:
    """The leaves by name."""
    return {report.partition.name: report for report in get_storage().partitions()}


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run plain SQL on the log database."""
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def store(transactional_db: None) -> Callable[..., None]:
    """Stores rows."""
    return lambda *rows: get_storage().insert(rows) and None


def _drop_partitions(names: Iterable[str]) -> None:
    for name in names:
        sql(f"DROP TABLE {name}")
    partitioned.known_spans.clear()


@pytest.fixture
def fresh_partitions(transactional_db: None) -> Iterator[None]:
    """Whatever leaves a test makes or drops, the next one has those of the present alone."""
    if connections[conf().DATABASE].vendor != "postgresql":
        yield
        return
    before = {name: report.partition.span for name, report in partitions_of_today().items()}
    present = {name for name, span in before.items() if span.upper > NOW}
    _drop_partitions(before.keys() - present)  # other tests made them, on fixed days that lie in this week by chance
    yield
    _drop_partitions(partitions_of_today().keys() - present)
    for name in present - partitions_of_today().keys():
        get_storage().ensure_partitions([before[name].lower])
