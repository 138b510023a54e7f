"""Making the line of a record: columns as they stand in a line, redacted, cut and escaped.

The logging handler, `record()` and the ingest protocols all end here. The format itself is in `records.copy_text`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from orjson import dumps

from systemlog.journal.backends import WriterConfig
from systemlog.journal.serialization import NUL, clean, dump, json_default, named, storable
from systemlog.records.copy_text import NULL, escape, escape_text
from systemlog.records.fields import MAX_CONTEXT_BYTES, MAX_MESSAGE_BYTES, MAX_TEXT_CHARACTERS
from systemlog.redaction import SHORT_BYTES, redact_issued, redact_text, redact_value

PLAIN_CHARACTERS = MAX_MESSAGE_BYTES // 4
"""A message of at most this many characters cannot exceed `MAX_MESSAGE_BYTES` in UTF-8."""


def build_line(
    config: WriterConfig,
    key: bytes,
    level: bytes,
    category: str,
    text: str,
    context: dict[str, Any],
    correlation_id: bytes,
    user_id: bytes,
    trace_id: bytes,
    subject: bytes,
) -> bytes:
    """Return the line of a record that this process makes itself, redacted. Any text and any context can be stored.

    `key` comes from `records.ids.new_key_bytes`, `level` is one of `records.levels.LEVEL_COLUMNS`, and the last four
    parameters come from `column`.
    """
    plain = text.isprintable() and "\\" not in text and len(text) <= PLAIN_CHARACTERS
    message = text.encode() if plain else _message_bytes(text)
    try:
        context_json = dumps(context, json_default)
    except (TypeError, ValueError, RecursionError):
        context_json = NUL
    # JSON escapes with a backslash whatever JSON or PostgreSQL cannot hold as it is.
    if b"\\" in context_json or len(context_json) > MAX_CONTEXT_BYTES:
        context_json = storable(context, context_json)
    return join_line(
        config,
        key,
        level,
        category_column(category),
        config.source,
        message,
        correlation_id,
        user_id,
        context_json,
        trace_id,
        subject,
        NULL,
        plain,
    )


def join_line(
    config: WriterConfig,
    key: bytes,
    level: bytes,
    category: bytes,
    source: bytes,
    message: bytes,
    correlation_id: bytes,
    user_id: bytes,
    context: bytes,
    trace_id: bytes,
    subject: bytes,
    recorded_by: bytes,
    plain: bool,
) -> bytes:
    """Redact the message and the context, escape both, and join all columns into the line of a record.

    `message` is UTF-8 and `context` a JSON object, both not yet escaped; every other column is given as it stands in
    the line. `plain` says that the message has nothing to escape.
    """
    text = message + b"\t" + context
    if (config.scan if len(text) <= SHORT_BYTES else config.search)(text):
        plain = False
        message = redact_text(message.decode()).encode()
        context = dump(redact_value(json.loads(context)))
    return b"\t".join(
        (
            key,
            level,
            category,
            source,
            message if plain else escape(message),
            correlation_id,
            user_id,
            context.replace(b"\\", b"\\\\") if b"\\" in context else context,
            trace_id,
            subject,
            recorded_by,
        )
    )


def column(value: object) -> bytes:
    """Return a short text as it stands in a line: NULL for None, `app_label.model:pk` for a model instance.

    A longer text is cut to `MAX_TEXT_CHARACTERS`.
    """
    if value is None:
        return NULL
    text = value if type(value) is str else named(value)
    return _cached_text(text) if len(text) <= MAX_TEXT_CHARACTERS else _short_text(text)


def _short_text(text: str) -> bytes:
    text = redact_issued(text)[:MAX_TEXT_CHARACTERS]
    return text.encode() if text.isprintable() and "\\" not in text else escape_text(clean(text))


_cached_text = lru_cache(maxsize=1024)(_short_text)


@lru_cache(maxsize=1024)
def category_column(name: str) -> bytes:
    """Return a category as it stands in a line; `general` for an empty one."""
    return escape_text(redact_issued(clean(name))[:MAX_TEXT_CHARACTERS] or "general")


def _message_bytes(text: str) -> bytes:
    """Return the message in UTF-8, cut where it exceeds `MAX_MESSAGE_BYTES`."""
    text = clean(text)
    data = text.encode()
    if len(data) > MAX_MESSAGE_BYTES:  # redact before cutting: of a secret that is cut in two, a part would stay
        data = redact_text(text).encode()
    if len(data) <= MAX_MESSAGE_BYTES:
        return data
    kept = data[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
    return f"{kept}… [{len(data) - MAX_MESSAGE_BYTES} bytes cut]".encode()
