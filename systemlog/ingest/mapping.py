"""Making one line of the journal from the values of a record, in one pass, for all protocols.

Records are repaired rather than refused: values that are too long are cut, which `context.truncated` records, and
characters that cannot be stored are replaced. Only an impossible time and a context that is nested too deep are
refused. Secrets are redacted.
"""

from __future__ import annotations

import hashlib
import json
import time
from itertools import islice
from math import isfinite
from typing import Any

from orjson import dumps

from systemlog.exceptions import SystemLogError
from systemlog.ingest.validation import CLOCK_SKEW
from systemlog.journal import backends
from systemlog.journal.lines import (
    PLAIN_CHARACTERS,
    category_column,
    column,
    join_line,
)
from systemlog.journal.serialization import NUL, TRUNCATED, clean, storable, walked
from systemlog.records.copy_text import NULL
from systemlog.records.fields import MAX_CONTEXT_BYTES, MAX_CONTEXT_DEPTH, MAX_MESSAGE_BYTES
from systemlog.records.ids import MICROSECOND, derive_bits, key_at, new_key_bytes
from systemlog.records.levels import LEVEL_COLUMNS
from systemlog.redaction import redact_text

DEBUG, INFO, WARNING, ERROR, CRITICAL = range(5)

NO_MESSAGE = "-"

LEVEL_OF_NAME = {
    **dict.fromkeys(("trace", "debug", "verbose", "silly", "finest", "finer", "fine"), DEBUG),
    **dict.fromkeys(("info", "notice", "information", "informational", "log"), INFO),
    **dict.fromkeys(("warn", "warning"), WARNING),
    **dict.fromkeys(("error", "err", "severe"), ERROR),
    **dict.fromkeys(("fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"), CRITICAL),
}
LEVEL_OF_NUMBER = {10: DEBUG, 20: DEBUG, 30: INFO, 40: WARNING, 50: ERROR, 60: CRITICAL}
"""The levels of pino and bunyan."""

_names_as_they_come = {
    spelling: level for name, level in LEVEL_OF_NAME.items() for spelling in (name, name.upper(), name.title())
}


class Refused(SystemLogError):
    """This record cannot be stored. The text says why, and repeats no value."""


def level_of(value: object) -> int:
    """Return the level of a name, in any case, or of a number of pino. Any other value is INFO."""
    if isinstance(value, str):
        known = _names_as_they_come.get(value)
        if known is not None:
            return known
        name = value.strip().lower()
        if name in LEVEL_OF_NAME:
            return LEVEL_OF_NAME[name]
        if not (name.isascii() and name.isdigit() and len(name) <= 3):
            return INFO
        value = int(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return LEVEL_OF_NUMBER.get(value // 10 * 10, INFO)
    return INFO


def text_of(value: object) -> str | None:
    """Return a text or a number as text; None for any other value and for an empty text."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def take_text(values: dict[str, Any], *names: str) -> str | None:
    """Remove and return the first of these values that is a text or a number; None if there is none."""
    for name in names:
        if name in values and (text := text_of(values[name])) is not None:
            del values[name]
            return text
    return None


def put_aside(context: dict[str, Any], name: str, value: object) -> None:
    """Add a value to a context. If the client uses the same name, underscores are appended to the new one."""
    while name in context:
        name += "_"
    context[name] = value


def as_json(value: object) -> str:
    """Return the JSON of a value that came from JSON or protobuf. Raises `Refused`."""
    try:
        return dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        if depth_of(value) > MAX_CONTEXT_DEPTH:
            raise Refused(TOO_DEEP) from None
        return walked(value).decode()


TOO_DEEP = f"It is nested more than {MAX_CONTEXT_DEPTH} levels deep."


def depth_of(value: object) -> int:
    """Return how many levels deep a JSON value is nested. Counting ends at one more than a record may have."""
    level: list[Any] = [value]
    depth = 0
    while depth <= MAX_CONTEXT_DEPTH:
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            break
        depth += 1
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
    return depth


def is_too_deep(value: object, context_json: bytes) -> bool:
    """Whether a value is nested deeper than a context may be.

    `context_json` is the JSON of the value, empty if orjson cannot write it.
    """
    # There are no more levels than brackets.
    few = context_json and context_json.count(b"{") + context_json.count(b"[") <= MAX_CONTEXT_DEPTH
    return not few and depth_of(value) > MAX_CONTEXT_DEPTH


def has_infinite(value: object) -> bool:
    """Whether a JSON value has NaN or an infinite number, which orjson would write as null."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            todo += each.values()
        elif isinstance(each, list):
            todo += each
        elif isinstance(each, float) and not isfinite(each):
            return True
    return False


class LineMaker:
    """Makes the lines of one request, for the user who sent it."""

    __slots__ = ("_config", "_recorded_by", "_user_digest", "latest_us", "username")

    def __init__(self, user: str) -> None:
        self.username = user
        self._user_digest = hashlib.sha256(user.encode("utf-8", "replace") + b"\0")
        self._recorded_by = column(user)
        self._config = backends.writer_config()
        self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Set the latest time that a record may have, from the current time."""
        self.latest_us = time.time_ns() // 1000 + CLOCK_SKEW // MICROSECOND

    def digest(self, data: bytes) -> hashlib._Hash:
        """Return a SHA-256 object over the user and `data`: equal data of two users are two identities."""
        digest = self._user_digest.copy()
        digest.update(data)
        return digest

    def check_time(self, microseconds: int) -> None:
        """Raise `Refused` for a time before 1970 or too far in the future. `microseconds` count from 1970."""
        if microseconds > self.latest_us:
            raise Refused("Its time lies more than 5 minutes in the future.")
        if microseconds < 0:
            raise Refused("Its time lies before 1970.")

    def make(
        self,
        *,
        instant_us: int | None,
        identity: bytes | None,
        ordinal: int = 0,
        level: int,
        category: str | None,
        source: str | None,
        message: str,
        correlation_id: str | None,
        user_id: str | None,
        trace_id: str | None,
        context: dict[str, Any],
    ) -> bytes:
        """Return the line of a record. Without an instant, the record's time is the current one. Raises `Refused`.

        A record with an instant and an `identity` (a digest) always gets the same id.
        """
        if instant_us is None:
            key = new_key_bytes()
        else:
            self.check_time(instant_us)
            key = key_at(instant_us, None if identity is None else derive_bits(identity, ordinal))
        plain = message.isprintable() and "\\" not in message and len(message) <= PLAIN_CHARACTERS
        message_bytes = message.encode() if plain else clean(message).encode()
        cut = 0
        if len(message_bytes) > MAX_MESSAGE_BYTES:
            cut = len(message_bytes)
            # Redact before cutting, because a part of a secret that is cut through would not be recognized.
            message_bytes = redact_text(message_bytes[:LARGE_BYTES].decode("utf-8", "ignore")).encode()
            message_bytes = message_bytes[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore").encode()
        context_json = b"{}" if not context and not cut else _context(context, cut)
        return self.join(
            key,
            level,
            category_column(category[:MAX_CATEGORY]) if category and not category.isspace() else b"general",
            column(source) if source else b"",
            message_bytes,
            context_json,
            column(correlation_id) if correlation_id else NULL,
            column(user_id) if user_id else NULL,
            column(trace_id) if trace_id else NULL,
            plain=plain,
        )

    def join(
        self,
        key: bytes,
        level: int,
        category: bytes,
        source: bytes,
        message: bytes,
        context: bytes,
        correlation_id: bytes,
        user_id: bytes,
        trace_id: bytes,
        subject: bytes = NULL,
        *,
        plain: bool,
    ) -> bytes:
        """Return the line of its columns. Message and context are redacted and escaped here, the others already are.

        A `plain` message needs no escaping.
        """
        return join_line(
            self._config,
            key,
            LEVEL_COLUMNS[level],
            category,
            source,
            message,
            correlation_id,
            user_id,
            context,
            trace_id,
            subject,
            self._recorded_by,
            plain,
        )


LARGE_BYTES = 4 * MAX_CONTEXT_BYTES
"""A message or context above this is cut roughly first. The remainder is then redacted and cut as usual."""

MAX_NODES = 10_000
"""How many values of a context above `LARGE_BYTES` are kept."""

MAX_CATEGORY = 1000
"""How many characters of a category are redacted. 200 are stored."""


def _context(context: dict[str, Any], cut: int) -> bytes:
    """Return the JSON of a context in a form that can be stored. `cut` is the size of a cut message, else 0."""
    if cut:
        context = _marked(context, cut)
    context_json = _dumped(context)
    if is_too_deep(context, context_json):
        raise Refused(TOO_DEEP)
    size = len(context_json)
    if size > LARGE_BYTES:
        context = _pruned(context, [MAX_NODES])
        context_json = _dumped(context)
    if not context_json or NUL in context_json or (b"null" in context_json and has_infinite(context)):
        context_json = walked(context)
        context = json.loads(context_json)
    if len(context_json) <= MAX_CONTEXT_BYTES and size <= LARGE_BYTES:
        return context_json
    context = _marked(context, cut + max(size, len(context_json)))
    return storable(context, _dumped(context) or NUL)


def _dumped(value: object) -> bytes:
    """Return the JSON of a value; b"" if orjson cannot write the value."""
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError):
        return b""


def _pruned(value: Any, room: list[int]) -> Any:
    """Return a copy of a very large value with as many values as `room` allows, and with long texts cut.

    The caller cuts the copy further, item by item. This would take minutes for millions of items.
    """
    room[0] -= 1
    if isinstance(value, str) and len(value) > MAX_CONTEXT_BYTES:
        # Redact before cutting, because a part of a secret that is cut through would not be recognized.
        return redact_text(value[:LARGE_BYTES])[:MAX_CONTEXT_BYTES]
    if isinstance(value, dict):
        return {name[:MAX_CONTEXT_BYTES]: _pruned(each, room) for name, each in value.items() if room[0] > 0}
    if isinstance(value, list):
        return [_pruned(each, room) for each in islice(value, max(room[0], 0))]
    return value


def _marked(context: dict[str, Any], size: int) -> dict[str, Any]:
    """Return the context with `size`, the number of bytes before the cut, under the name `truncated`."""
    name = TRUNCATED
    while name in context and not (type(context[name]) is int and context[name] < size):
        name += "_"
    return {**context, name: size} if name in context else {name: size, **context}
