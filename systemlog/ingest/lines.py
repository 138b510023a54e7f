"""Making the line of a JSON object of a bulk, in one pass if the object is a plain, valid record.

`validation` handles every other object, and names the errors. Both ways store the same record.
"""

from __future__ import annotations

from orjson import dumps

from systemlog.ingest.mapping import LineMaker, has_infinite, is_too_deep
from systemlog.ingest.validation import read_record
from systemlog.journal.lines import PLAIN_CHARACTERS, category_column, column
from systemlog.journal.serialization import NUL
from systemlog.records.copy_text import NULL, encode, escape_text
from systemlog.records.fields import FIELDS, MAX_CONTEXT_BYTES, MAX_TEXT_CHARACTERS, unstorable
from systemlog.records.ids import EPOCH, MICROSECOND, key_at, new_key_bytes, parse_id
from systemlog.records.levels import LEVEL_NAMES
from systemlog.records.times import parse_timestamp

KNOWN = frozenset(FIELDS)
NULLABLE = ("correlation_id", "user_id", "trace_id", "subject")

_levels = {name: number for number, name in enumerate(LEVEL_NAMES)} | {
    name.lower(): number for number, name in enumerate(LEVEL_NAMES)
}


def line_of(given: object, maker: LineMaker) -> bytes:
    """Return the line of a record of a bulk, redacted. Raises `validation.InvalidRecord`."""
    line = _line_at_once(given, maker) if type(given) is dict else None
    if line is not None:
        return line
    row = read_record(given, recorded_by=maker.username)
    return encode(row)


def _line_at_once(given: dict[str, object], maker: LineMaker) -> bytes | None:  # noqa: PLR0911, PLR0912  (one for each field)
    if not KNOWN.issuperset(given):
        return None
    message = given.get("message")
    if type(message) is not str or not message or len(message) > PLAIN_CHARACTERS:
        return None
    plain = message.isprintable() and "\\" not in message
    if message.isspace() or (not plain and unstorable.search(message)):
        return None
    name = given.get("level", "INFO")
    level = _levels.get(name) if type(name) is str else None
    if level is None:
        return None
    category = given.get("category", "general")
    source = given.get("source", "")
    if type(category) is not str or not category or category.isspace() or not _is_name(category):
        return None
    if type(source) is not str or not _is_name(source):
        return None
    columns = [NULL, NULL, NULL, NULL]
    for index, name in enumerate(NULLABLE):
        value = given.get(name)
        if value:
            if type(value) is not str or value.isspace() or not _is_name(value):
                return None
            columns[index] = escape_text(value) if index in (0, 2) else column(value)
        elif value is not None and value != "":
            return None
    context = given.get("context")
    if context is None:
        if "context" in given:
            return None
        context_json = b"{}"
    else:
        if type(context) is not dict:
            return None
        try:
            context_json = dumps(context)
        except TypeError:
            return None
        if b"null" in context_json and has_infinite(context):
            return None
        if len(context_json) > MAX_CONTEXT_BYTES or (b"\\" in context_json and NUL in context_json):
            return None
        if is_too_deep(context, context_json):
            return None
    key = _key(given, maker)
    if key is None:
        return None
    correlation_id, user_id, trace_id, subject = columns
    return maker.join(
        key,
        level,
        category_column(category),
        column(source) if source else b"",
        message.encode(),
        context_json,
        correlation_id,
        user_id,
        trace_id,
        subject,
        plain=plain,
    )


def _is_name(text: str) -> bool:
    """Whether a text is short enough for a column and can be stored."""
    return len(text) <= MAX_TEXT_CHARACTERS and (text.isprintable() or not unstorable.search(text))


def _key(given: dict[str, object], maker: LineMaker) -> bytes | None:
    timestamp = given.get("timestamp")
    if timestamp is None:
        return None if "timestamp" in given or "id" in given else new_key_bytes()
    instant = parse_timestamp(timestamp) if type(timestamp) is str else None
    if instant is None:
        return None
    microseconds = (instant - EPOCH) // MICROSECOND
    if not 0 <= microseconds <= maker.latest_us:
        return None
    if "id" not in given:
        return key_at(microseconds)
    record_id = given["id"]
    parsed = parse_id(record_id) if type(record_id) is str else None
    if parsed is None:
        return None
    return key_at(microseconds)[:TIMESTAMP_BYTES] + parsed.hex.encode()


TIMESTAMP_BYTES = 30
"""The length of a key's timestamp with the tab behind it."""
