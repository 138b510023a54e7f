"""Values of columns as JSON, the same from SQLite and from PostgreSQL.

A value that its field does not expect is recorded as the database holds it. Nothing here raises for such a value.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from django.db.models import JSONField
from django.utils.dateparse import parse_duration, parse_time
from django.utils.duration import duration_iso_string
from django.utils.timezone import get_default_timezone, make_aware

from systemlog.audit.outbox import Number
from systemlog.journal.serialization import clean
from systemlog.records.times import represent_time
from systemlog.redaction import REDACTED, redact_issued, redact_value

MAX_BYTES = 4096
"""A larger value is recorded as its length and its SHA-256."""

MAX_CONTEXT_BYTES = 64 * 1024
MAX_DEPTH = 15
MAX_INTEGER = 2**63
MASKED = {"$masked": True}

Convert = Callable[[Any, Any, tzinfo | None], Any]


class Presenter:
    """Converts the values of one column.

    With `redacting`, issued keys and tokens in texts and secrets in JSON are redacted. Without it, the caller must look
    for them.
    """

    __slots__ = ("_convert", "_field", "_redacting")

    def __init__(self, field: Any, *, redacting: bool) -> None:
        self._field = _root(field)
        self._convert = _converter(self._field)
        self._redacting = redacting

    def __call__(self, value: Any, zone: tzinfo | None) -> Any:
        """Return the value as JSON. `zone` is the time zone of times that have none, as in SQLite."""
        if value is None:
            return None
        if type(value) is dict and value == MASKED:
            return REDACTED
        if self._convert is not None:
            try:
                converted = self._convert(self._field, value, zone)
            except Exception:  # noqa: BLE001  (SQLite stores any value in any column)
                converted = value
            value = converted
        if value is True or value is False or (type(value) is int and -MAX_INTEGER < value < MAX_INTEGER):
            return value
        if not self._redacting:
            return clean(value) if type(value) is str else _plain(value, redacting=False)
        if isinstance(self._field, JSONField):
            return redact_value(_plain(value, redacting=True))
        return _plain(value, redacting=True)


@functools.lru_cache(maxsize=8192)
def presenter(field: Any, *, redacting: bool = True) -> Presenter:
    """Return the presenter for a column. `field` is the field of the model, or None if the model does not have it."""
    return Presenter(field, redacting=redacting)


def present(field: Any, value: Any, zone: tzinfo | None) -> Any:
    """Return the value of a column as redacted JSON."""
    return presenter(field)(value, zone)


def abridge(value: Any, most: int = MAX_BYTES) -> Any:
    """Return the value. In place of a larger one, return its SHA-256 and length (of its JSON, if it is no text)."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= most // 4 or len(data := text.encode()) <= most:
        return value
    return {"length": len(text), "sha256": hashlib.sha256(data).hexdigest()}


def fit(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes with large values abridged: those above 4 kB, and smaller ones if the record is too large."""
    for most in (MAX_BYTES, 1024, 256, 64):
        fitting = {name: _abridged(value, most) for name, value in changes.items()}
        if len(json.dumps(fitting, ensure_ascii=False).encode("utf-8", "replace")) <= MAX_CONTEXT_BYTES:
            break
    return fitting


def _abridged(value: Any, most: int) -> Any:
    if isinstance(value, list):
        return [abridge(side, most) for side in value]
    return {name: [abridge(item, most) for item in items] for name, items in value.items()}


def _root(field: Any) -> Any:
    """Return the field that says what a column holds: a foreign key's target, or a generated field's output."""
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


def _converter(field: Any) -> Convert | None:
    """Return the function that converts values of a field, or None if they stay as they are."""
    if field is None:
        return None
    kind = field.get_internal_type()
    if kind in _CONVERTERS:
        return _CONVERTERS[kind]
    if kind.endswith(("IntegerField", "AutoField")):
        return _integer
    if hasattr(field, "base_field"):  # an array of PostgreSQL
        return _array
    return None


def _integer(field: Any, value: Any, zone: tzinfo | None) -> Any:
    return int(value)


def _array(field: Any, value: Any, zone: tzinfo | None) -> Any:
    convert = _converter(field.base_field)
    if convert is None or not isinstance(value, list):
        return value
    return [None if item is None else convert(field.base_field, item, zone) for item in value]


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
    if isinstance(value, str) and zone is not None:  # SQLite stores JSON as text
        return json.loads(value, parse_float=Number)
    return value


def _date(field: Any, value: Any, zone: tzinfo | None) -> Any:
    text = str(value)
    return text if text.endswith(" BC") else text[:10]


def _binary(field: Any, value: Any, zone: tzinfo | None) -> Any:
    return value.lower() if isinstance(value, str) and value.startswith("\\x") else value


def key_text(field: Any, value: object) -> str:
    """Return the value of a key that an object has in Python, as the subject of its records has it."""
    field = _root(field)
    if isinstance(value, bytes | bytearray | memoryview):
        value = "\\x" + bytes(value).hex()
    elif isinstance(value, datetime):
        value = (value if value.tzinfo else make_aware(value, get_default_timezone())).isoformat()
    elif isinstance(value, timedelta):
        value = duration_iso_string(value)
    elif isinstance(value, bool) or value is None:
        return str(value)
    return str(Presenter(field, redacting=False)(str(value), UTC))


_CONVERTERS: dict[str, Convert] = {
    "BooleanField": lambda field, value, zone: bool(value),
    "BinaryField": _binary,
    "DateField": _date,
    "DateTimeField": _instant,
    "DecimalField": _decimal,
    "DurationField": _duration,
    "FloatField": _float,
    "JSONField": _json,
    "TimeField": _time,
    "UUIDField": lambda field, value, zone: str(uuid.UUID(value)),
}


def _plain(value: Any, *, redacting: bool, depth: int = 0) -> Any:  # noqa: PLR0911  (one for each type)
    """Return the value in types that every JSON library and both databases can hold."""
    if isinstance(value, Number):
        number = float(value)
        return number if math.isfinite(number) else str(value)
    if isinstance(value, str):
        return redact_issued(clean(value)) if redacting else clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 3000 else f"<an integer of {value.bit_length()} bits>"
    if depth >= MAX_DEPTH and isinstance(value, dict | list):
        return f"<nested deeper than {MAX_DEPTH}>"
    if isinstance(value, dict):
        return {clean(str(key)): _plain(item, redacting=redacting, depth=depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, redacting=redacting, depth=depth + 1) for item in value]
    return clean(str(value))
