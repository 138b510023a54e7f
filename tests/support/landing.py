"""Helpers for tests of landing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connections

from systemlog.conf import conf
from systemlog.journal.framing import frame
from systemlog.journal.segments import Segment
from systemlog.models import SystemLog
from systemlog.records.copy_text import encode
from systemlog.records.ids import mint_id, next_instant
from systemlog.storage import Row
from tests.support.databases import on_citus


def row(message: str, *, ago: timedelta = timedelta(0), level: str = "INFO") -> Row:
    """Return a record of now, or of some time ago."""
    instant: datetime = next_instant() - ago
    return Row(instant, mint_id(instant), level, "c", "here", message, "r", None, {"n": 1}, None, None, None)


def write(folder: Path, rows: Iterable[Row], *, noise: bytes = b"") -> Segment:
    """Write a segment with these rows, followed by the bytes `noise`. Its lock ends with the returned object."""
    segment = Segment(folder, folder.name)
    os.write(segment.descriptor, b"".join(frame(encode(each), 1) for each in rows) + noise)
    return segment


def stored() -> list[str]:
    """Return the messages of `row` that are in the table, in order, without the lander's own records."""
    return list(SystemLog.objects.filter(category="c").order_by("timestamp", "id").values_list("message", flat=True))


def execute(sql: str) -> None:
    """Run a statement on the log database, and return its rows."""
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute(sql)


def on_postgresql() -> bool:
    """Return whether the log is in PostgreSQL."""
    return connections[conf().DATABASE].vendor == "postgresql"


def database() -> str:
    """Return the kind of the log database. Tests need it because a cluster takes no triggers."""
    return "citus" if on_citus() else connections[conf().DATABASE].vendor


TAKE_POISON = {
    "sqlite": "DROP TRIGGER refuse_poison",
    "postgresql": "DROP TRIGGER refuse_poison ON system_logs",
    "citus": "ALTER TABLE system_logs DROP CONSTRAINT refuse_poison",
}
