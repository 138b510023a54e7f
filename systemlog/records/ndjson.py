"""A row as a line of an archive: a JSON object with every column, with the stored text of `context` last.

JSON allows many ways to write a number. So a context is copied as text into an archive and back, and never parsed: a
restored record is the stored one, bit for bit. PostgreSQL writes these lines itself.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from systemlog.records.row import COLUMNS, JSONText, Row

# This text cannot occur earlier: in a string its quotes would be escaped, and no other member holds an object.
CONTEXT = b',"context":'


def write_line(record: Mapping[str, Any]) -> bytes:
    """Return the line of a row whose `timestamp` is aware and whose `context` is JSON text."""
    timestamp = record["timestamp"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = {**record, "id": str(record["id"]), "timestamp": timestamp}
    # A line break in JSON can only stand between tokens, where it means nothing.
    context = str(head.pop("context")).replace("\r", " ").replace("\n", " ")
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    return text[:-1].encode() + CONTEXT + context.encode() + b"}\n"


def read_line(line: bytes) -> Row:
    """Return the row of such a line. Raises `ValueError` for any other line."""
    head, found, context = line.rstrip(b"\n").partition(CONTEXT)
    record = json.loads(head + b"}") if found else {}
    if not {*record, "context"} == {*COLUMNS}:
        raise ValueError("This is no line of an archive of system_logs.")
    record["id"] = uuid.UUID(record["id"])
    record["timestamp"] = datetime.fromisoformat(record["timestamp"])
    return Row(**record, context=JSONText(context[:-1].decode()))
