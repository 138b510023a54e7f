"""Validation of records that arrive over the API or from files: the rules for one JSON object.

The API and the import command share these rules, so that both store and refuse the same records. This module uses
neither request nor database.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple, cast

from systemlog.exceptions import SystemLogError
from systemlog.records.fields import (
    FIELDS,
    MAX_CONTEXT_BYTES,
    MAX_CONTEXT_DEPTH,
    MAX_MESSAGE_BYTES,
    MAX_TEXT_CHARACTERS,
    READ_FIELDS,
    unstorable,
)
from systemlog.records.ids import EPOCH, instant_of, mint_id, next_instant, parse_id
from systemlog.records.levels import LEVEL_NAMES, parse_level
from systemlog.records.row import Row
from systemlog.records.times import parse_timestamp
from systemlog.redaction import redact_issued, redact_text, redact_value

MAX_ERRORS = 20
"""How many errors of one record are listed. A record may have thousands of unknown fields."""

MAX_NAME_CHARACTERS = 100
"""The name of an unknown field is cut to this length in the error."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of another host may be ahead of this one."""


class RecordError(NamedTuple):
    """An error in a record: the field (None for the record itself), a code for programs, a text for people."""

    field: str | None
    code: str
    detail: str


class InvalidRecord(SystemLogError):
    """The object is no valid record. `errors` says why, without any value. `omitted` counts errors above the limit."""

    def __init__(self, errors: list[RecordError], omitted: int = 0) -> None:
        named = ("record" if error.field is None else error.field for error in errors)
        super().__init__("; ".join(f"{name}: {error.detail}" for name, error in zip(named, errors, strict=True)))
        self.errors = errors
        self.omitted = omitted


def read_record(
    given: object,
    *,
    correlation_id: str | None = None,
    recorded_by: str | None = None,
    make_id: Callable[[datetime], uuid.UUID] = mint_id,
    archived: bool = False,
) -> Row:
    """Return the row of a JSON object, redacted. Raises `InvalidRecord`.

    A record without a correlation id gets `correlation_id`. `recorded_by` is the user who sends the record. `make_id`
    makes the id of a record without one from the record's instant. An `archived` record must have a timestamp, and has
    its own `recorded_by`. The group in an export is ignored, because the group of a record is always computed.
    """
    if not isinstance(given, dict):
        raise InvalidRecord([RecordError(None, "invalid", "A record must be a JSON object.")])
    reader = _Reader(given)
    known = READ_FIELDS if archived else FIELDS
    reader.refuse_unknown(known)
    message = reader.text("message", limit=None) or ""
    level = reader.level()
    category = reader.text("category")
    context = reader.context()
    texts = {name: reader.text(name, nullable=True) for name in ("user_id", "trace_id", "subject")}
    source = reader.text("source", blank=True)
    if "correlation_id" in given:
        correlation_id = reader.text("correlation_id", nullable=True)
    if archived:
        recorded_by = reader.text("recorded_by", nullable=True)
    timestamp, record_id = reader.key(make_id, timestamp_required=archived)
    if reader.errors:
        raise InvalidRecord(reader.errors, reader.omitted)
    return Row(
        timestamp=timestamp,
        id=record_id,
        level=level,
        category=_name(category or "general"),
        source=_name(source or ""),
        message=redact_text(message),
        correlation_id=correlation_id,
        user_id=texts["user_id"] and _name(texts["user_id"]),
        context=cast(dict[str, Any], redact_value(context)),
        trace_id=texts["trace_id"],
        subject=texts["subject"] and _name(texts["subject"]),
        recorded_by=recorded_by,
    )


def _name(text: str) -> str:
    return redact_issued(text)[:MAX_TEXT_CHARACTERS]


class _Reader:
    """Reads the fields of one object, and collects their errors."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self.given = given
        self.errors: list[RecordError] = []
        self.omitted = 0

    def refuse(self, field: str, code: str, detail: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RecordError(field, code, detail))
        else:
            self.omitted += 1

    def refuse_unknown(self, known: tuple[str, ...]) -> None:
        for name in self.given:
            if name not in known:
                shown = name if len(name) <= MAX_NAME_CHARACTERS else name[:MAX_NAME_CHARACTERS] + "…"
                shown = unstorable.sub("\ufffd", shown)
                if name == "recorded_by":
                    self.refuse(shown, "read_only", "This field is set by the server.")
                else:
                    self.refuse(shown, "unknown", "There is no such field.")

    def text(
        self, name: str, *, limit: int | None = MAX_TEXT_CHARACTERS, nullable: bool = False, blank: bool = False
    ) -> str | None:
        """Return the text of a field. Only `message` is required, and has a limit in bytes instead of characters."""
        value = self.given.get(name)
        if value is None:
            if name == "message" and name not in self.given:
                self.refuse(name, "required", "This field is required.")
            elif name in self.given and not nullable:
                self.refuse(name, "null", "This field may not be null.")
        elif not isinstance(value, str):
            self.refuse(name, "invalid", "This must be a string.")
        elif nullable and not value:
            return None  # shippers write an empty text for an unknown value
        elif not blank and not value.strip():
            self.refuse(name, "blank", "This field may not be blank.")
        elif unstorable.search(value):
            self.refuse(
                name,
                "invalid_characters",
                "This has what cannot be stored: NUL, a lone surrogate, or bytes that are no UTF-8.",
            )
        elif limit is not None and len(value) > limit:
            self.refuse(name, "max_length", f"This may have at most {limit} characters.")
        elif limit is None and len(value.encode()) > MAX_MESSAGE_BYTES:
            self.refuse(name, "max_length", f"This may have at most {MAX_MESSAGE_BYTES} bytes in UTF-8.")
        else:
            return value
        return None

    def level(self) -> str:
        value = self.given.get("level", "INFO")
        if isinstance(value, str) and (level := parse_level(value)):
            return level
        self.refuse("level", "invalid_choice", "This must be one of " + ", ".join(LEVEL_NAMES) + ".")
        return ""

    def context(self) -> dict[str, Any]:
        value = self.given.get("context", {})
        if not isinstance(value, dict):
            self.refuse("context", "invalid", "This must be a JSON object.")
            return {}
        if wrong := _wrong_in(value):
            self.refuse("context", *wrong)
            return {}
        return value

    def key(self, make_id: Callable[[datetime], uuid.UUID], *, timestamp_required: bool) -> tuple[datetime, uuid.UUID]:
        """Return the key `(timestamp, id)`. A missing part is made from the other, or both from the current time.

        If there are errors, the key must not be used.
        """
        record_id = self._id()
        timestamp = self._timestamp()
        if "timestamp" not in self.given:
            if "id" in self.given:
                timestamp = None if record_id is None else self._timestamp_of(record_id)
            elif timestamp_required:
                self.refuse("timestamp", "required", "This field is required.")
        if timestamp is None:
            timestamp = next_instant()
        return timestamp, record_id or make_id(timestamp)

    def _timestamp_of(self, record_id: uuid.UUID) -> datetime | None:
        timestamp = instant_of(record_id)
        if timestamp is None and record_id.version == 7:
            self.refuse("id", "future", "This lies more than 5 minutes in the future.")
        elif timestamp is None:
            self.refuse("timestamp", "required", "This field is required beside an id that is no UUID of version 7.")
        elif self._plausible("id", timestamp):
            return timestamp
        return None

    def _id(self) -> uuid.UUID | None:
        if "id" not in self.given:
            return None
        value = self.given["id"]
        record_id = parse_id(value) if isinstance(value, str) else None
        if record_id is None:
            self.refuse("id", "invalid", "This must be a UUID.")
        return record_id

    def _timestamp(self) -> datetime | None:
        if "timestamp" not in self.given:
            return None
        value = self.given["timestamp"]
        timestamp = parse_timestamp(value) if isinstance(value, str) else None
        if timestamp is None:
            self.refuse(
                "timestamp", "invalid", "This must be a date and time as RFC 3339 has them: 2026-11-24T08:30:00.125Z."
            )
        elif not self._plausible("timestamp", timestamp):
            return None
        return timestamp

    def _plausible(self, field: str, timestamp: datetime) -> bool:
        if timestamp > datetime.now(UTC) + CLOCK_SKEW:
            self.refuse(field, "future", "This lies more than 5 minutes in the future.")
            return False
        if timestamp < EPOCH:
            self.refuse(field, "past", "This lies before 1970.")
            return False
        return True


def _wrong_in(context: dict[str, Any]) -> tuple[str, str] | None:
    """Return why a context cannot be stored, as (code, detail); None if it can."""
    level: list[Any] = [context]
    depth = 0
    while level:
        containers = [value for value in level if isinstance(value, dict | list)]
        depth += bool(containers)
        if depth > MAX_CONTEXT_DEPTH:
            return "max_depth", f"This may be nested at most {MAX_CONTEXT_DEPTH} deep."
        texts = [value for value in level if isinstance(value, str)]
        texts += [name for value in containers if isinstance(value, dict) for name in value]
        if any(map(unstorable.search, texts)):
            return (
                "invalid_characters",
                "A text in this has what cannot be stored: NUL, a lone surrogate, or bytes that are no UTF-8.",
            )
        if not all(isfinite(value) for value in level if isinstance(value, float)):
            return "invalid", "A number in this is too large."
        level = [each for value in containers for each in (value.values() if isinstance(value, dict) else value)]
    size = len(json.dumps(context, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_CONTEXT_BYTES:
        return "max_length", f"This may have at most {MAX_CONTEXT_BYTES} bytes as JSON."
    return None
