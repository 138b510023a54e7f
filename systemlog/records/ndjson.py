"""A row as a line of an archive: a JSON object with every column, `context` last and in its very text.

JSON has one way to write most values and many to write a number; so a context is never read and written again on its
way into an archive and back, and what is restored is what was stored, bit for bit. PostgreSQL makes the lines itself.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from systemlog.records.row import COLUMNS, JSONText, Row

# Inside a text its quotes would be escaped, and within an object no other member stands before.
CONTEXT = b',"context":'


def write_line(record: Mapping[str, Any]) -> bytes:
    """The line of a row whose `timestamp` is aware and whose `context` is a text of JSON."""
    timestamp = record["timestamp"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = {**record, "id": str(record["id"]), "timestamp": timestamp}
    # JSON has line breaks between its tokens only, where they mean nothing.
    context = str(head.pop("context")).replace("\r", " ").replace("\n", " ")
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    return text[:-1].encode() + CONTEXT + context.encode() + b"}\n"


def read_line(line: bytes) -> Row:
    """The row of such a line. Raises `ValueError` for any other."""
    head, found, context = line.rstrip(b"\n").partition(CONTEXT)
    record = json.loads(head + b"}") if found else {}
    if not {*record, "context"} == {*COLUMNS}:
        raise ValueError("This is no line of an archive of system_logs.")
    record["id"] = uuid.UUID(record["id"])
    record["timestamp"] = datetime.fromisoformat(record["timestamp"])
    return Row(**record, context=JSONText(context[:-1].decode()))
