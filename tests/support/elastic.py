"""Helpers for tests of Elasticsearch's API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

NDJSON = "application/x-ndjson"
NOW = datetime.now(UTC).replace(microsecond=123456)
TIME = NOW.isoformat().replace("+00:00", "Z")


def lines(*values: Any) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in values)
