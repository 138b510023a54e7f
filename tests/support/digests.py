"""Helpers for tests of digests."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command
from django.db import connections

from systemlog.conf import conf
from systemlog.records.row import TABLE
from systemlog.storage import Row, get_storage

TABLES = (TABLE, "system_log_digest", "system_log_digest_frontier", "system_log_late_note")
DAY = datetime(2026, 1, 2, tzinfo=UTC)
"""The day of the records."""


def at(hour: int, minute: int = 0, second: float = 0) -> datetime:
    """Return a time of that day."""
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def row(timestamp: datetime, message: str = "m", *, level: str = "INFO", category: str = "web", **context: Any) -> Row:
    """Return a record whose id depends only on its message and time."""
    record_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{timestamp} {message}")
    return Row(timestamp, record_id, level, category, "here", message, "r", None, context, None, None, "ann")


def fill(*hours: int, count: int = 5) -> list[Row]:
    """Store records of these hours."""
    rows = [row(at(hour, number), f"m{number}", n=number, f=1.5) for hour in hours for number in range(count)]
    get_storage().insert(rows)
    return rows


def seal(until: int | datetime = 6) -> str:
    """Run `seal_system_logs`, and return its output."""
    instant = at(until) if isinstance(until, int) else until
    return run("seal_system_logs", "--until", instant.isoformat())


def verify(*arguments: str) -> list[str]:
    """Run `verify_system_logs`, and return the hours that it reports as altered; an empty list if there are none."""
    out = io.StringIO()
    try:
        call_command("verify_system_logs", *arguments, stdout=out, stderr=io.StringIO())
    except CommandError:
        told = re.findall(r"^(\d{4}-\d\d-\d\dT\d\d|the log):", out.getvalue(), re.MULTILINE)
        return told or ["nothing told"]
    return []


def run(command: str, *arguments: str) -> str:
    """Run a command, and return its output."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def on_postgresql() -> bool:
    """Return whether the log is in PostgreSQL."""
    return connections[conf().DATABASE].vendor == "postgresql"


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run plain SQL on the log database, and return its rows."""
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def attack(statement: str, *values: Any) -> None:
    """Run plain SQL as the owner of the database, whom no trigger stops."""
    if on_postgresql():
        sql(f"ALTER TABLE {TABLE} DISABLE TRIGGER ALL")
        try:
            sql(statement, *values)
        finally:
            sql(f"ALTER TABLE {TABLE} ENABLE TRIGGER ALL")
        return
    triggers = sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", TABLE)
    for name, _ in triggers:
        sql(f'DROP TRIGGER "{name}"')
    try:
        sql(statement, *values)
    finally:
        for _, text in triggers:
            sql(text.replace("%", "%%"))


@contextmanager
def undone(outside: Path) -> Iterator[None]:
    """Put the log and its digests, in the database and outside, back as they were before the block.

    One sealed log then serves many attacks, which is much faster than a new log for each.
    """
    replicate()
    lines = (outside / "digests.ndjson").read_bytes()
    try:
        yield
    finally:
        fail_over()
        drop_replica()
        (outside / "digests.ndjson").write_bytes(lines)


def replicate() -> None:
    """Copy the tables of the log and of its digests."""
    for table in TABLES:
        sql(f"CREATE TABLE replica_of_{table} AS SELECT * FROM {table}")


def fail_over() -> None:
    """Put the copies in place of the tables' content."""
    for table in TABLES:
        attack(f"DELETE FROM {table}")
        attack(f"INSERT INTO {table} SELECT * FROM replica_of_{table}")


def drop_replica() -> None:
    """Delete the copies."""
    for table in TABLES:
        sql(f"DROP TABLE IF EXISTS replica_of_{table}")


def adapted(instant: datetime) -> Any:
    """Return an instant in the form in which the database stores it."""
    return connections[conf().DATABASE].ops.adapt_datetimefield_value(instant)


def adapted_id(record_id: uuid.UUID) -> Any:
    """Return an id in the form in which the database stores it."""
    return record_id if on_postgresql() else record_id.hex
