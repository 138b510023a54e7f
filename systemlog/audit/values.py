"""Values of columns as a record shows them: the same JSON from SQLite and from PostgreSQL.

What a database holds and its field does not expect is told as it is; nothing here raises for it.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_duration, parse_time
from django.utils.duration import duration_iso_string

from systemlog.audit.outbox import Number
from systemlog.journal.serialization import clean
from systemlog.records.times import represent_time
from systemlog.redaction import REDACTED, redact_issued, redact_value

MAX_BYTES = 4096
"""A larger value is told by its length and its SHA-256."""

MAX_DEPTH = 15
MASKED = {"$masked": True}

Convert = Callable[[Any, Any, tzinfo | None], Any]


def present(field: Any, value: Any, zone: tzinfo | None) -> Any:
    """A column's value as JSON. `field` is the model's, None for a column that it does not have.

    `zone` is of times without one, as SQLite stores them.
    """
    if value is None:
        return None
    if value == MASKED:
        return REDACTED
    field = _root(field)
    with suppress(Exception):  # anything may stand in a column of SQLite, and in one that raw SQL made
        value = _convert(field, value, zone)
    return _plain(value)


def abridge(value: Any, most: int = MAX_BYTES) -> Any:
    """The value; in place of a larger one its length (of a text in characters, else of its JSON) and SHA-256."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= most // 4 or len(data := text.encode()) <= most:
        return value
    return {"length": len(text), "sha256": hashlib.sha256(data).hexdigest()}


def _root(field: Any) -> Any:
    """The field that says what a column holds: of a foreign key its target's, of a generated field its output's."""
    for _ in range(20):
        if field is None:
            return None
        if getattr(field, "remote_field", None) and getattr(field, "target_field", None):
            field = field.target_field
        elif getattr(field, "generated", False):
            field = field.output_field
        else:
            return field
    return field


def _convert(field: Any, value: Any, zone: tzinfo | None) -> Any:
    if field is None:
        return value
    kind = field.get_internal_type()
    convert = _CONVERTERS.get(kind)
    if convert is not None:
        return convert(field, value, zone)
    if kind.endswith(("IntegerField", "AutoField")):
        return int(value)
    if hasattr(field, "base_field") and isinstance(value, list):  # PostgreSQL's arrays
        return [None if item is None else _convert(field.base_field, item, zone) for item in value]
    return value


def _decimal(field: Any, value: Any, zone: tzinfo | None) -> Any:
    number = Decimal(str(value))
    if not number.is_finite():
        return str(number)
    places = getattr(field, "decimal_places", None)
    return format(number, "f" if places is None else f".{places}f")


def _float(field: Any, value: Any, zone: tzinfo | None) -> Any:
    return float(value)


def _instant(field: Any, value: Any, zone: tzinfo | None) -> Any:
    instant = datetime.fromisoformat(value)
    return represent_time(instant if instant.tzinfo else instant.replace(tzinfo=zone or UTC))


def _time(field: Any, value: Any, zone: tzinfo | None) -> Any:
    found = parse_time(value)
    return value if found is None else found.isoformat()


def _duration(field: Any, value: Any, zone: tzinfo | None) -> Any:
    found = timedelta(microseconds=value) if isinstance(value, int) else parse_duration(value)
    return value if found is None else duration_iso_string(found)


def _json(field: Any, value: Any, zone: tzinfo | None) -> Any:
    """Its content, where the names of keys say what is secret."""
    if isinstance(value, str) and zone is not None:  # SQLite stores it as a text
        value = json.loads(value, parse_float=Number)
    return redact_value(_plain(value))


_CONVERTERS: dict[str, Convert] = {
    "BooleanField": lambda field, value, zone: bool(value),
    "DateField": lambda field, value, zone: str(value)[:10],
    "DateTimeField": _instant,
    "DecimalField": _decimal,
    "DurationField": _duration,
    "FloatField": _float,
    "JSONField": _json,
    "TimeField": _time,
    "UUIDField": lambda field, value, zone: str(uuid.UUID(value)),
}


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911  (one for each kind)
    """The value in JSON's own types, as every JSON and every database can hold them."""
    if isinstance(value, Number):
        number = float(value)
        return number if math.isfinite(number) else str(value)
    if isinstance(value, str):
        return redact_issued(clean(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 3000 else f"<an integer of {value.bit_length()} bits>"
    if depth >= MAX_DEPTH and isinstance(value, dict | list):
        return f"<nested deeper than {MAX_DEPTH}>"
    if isinstance(value, dict):
        return {clean(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    return clean(str(value))
