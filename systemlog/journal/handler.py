"""The logging handler: what was logged becomes a line, and the line goes into the journal.

It imports no model and asks no database: Django configures LOGGING before apps are loaded.
"""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import Any

from orjson import dumps

from systemlog.correlation import current_ids
from systemlog.journal import backends, reentrancy
from systemlog.journal.serialization import MAX_BYTES, NUL, clean, dump, in_words, json_default, named, storable
from systemlog.journal.stderr import complain
from systemlog.journal.structlog_events import is_event, take_event
from systemlog.records.copy_text import NULL, decode, escape, escape_text
from systemlog.records.ids import new_key_bytes
from systemlog.records.levels import LEVEL_COLUMNS, LEVEL_NAMES
from systemlog.records.row import Row
from systemlog.redaction import SHORT_BYTES, redact_issued, redact_text, redact_value

MAX_MESSAGE_BYTES = 64 * 1024
PLAIN_CHARACTERS = MAX_MESSAGE_BYTES // 4
MAX_TEXT_CHARACTERS = 200
LOGGINGS_OWN = len(vars(logging.LogRecord("", 0, "", 0, "", None, None)))
"""So many attributes a record has of logging itself, whatever the factory that is set adds; they are the first."""

NAMES_OF_LOGGING = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None)))
LAST_OF_LOGGING = list(vars(logging.LogRecord("", 0, "", 0, "", None, None)))[-1]

TOLD_APART = {
    *("correlation_id", "trace_id", "user_id", "subject"),  # have columns of their own
    *("request", "response"),  # perhaps Django's live objects, which are told in words
    *("message", "asctime"),  # of formatters
}
"""Further attributes that do not go into `context` as they are."""

_levels = {logging.getLevelNamesMapping()[name]: name.encode() for name in LEVEL_NAMES}

SCALARS = frozenset((str, int, float, bool, type(None)))
"""Their texts come of no foreign code."""

formatter = logging.Formatter()


class SystemLogHandler(logging.Handler):
    """Takes each record into the journal; never raises, and never waits for a database.

    `LOGGING = {"handlers": {"system_log": {"class": "systemlog.journal.SystemLogHandler"}}, …}`
    """

    def createLock(self) -> None:  # noqa: N802  (logging's name)
        """None is needed: a record is one write."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """As logging's, without the lock."""
        if self.filters:
            passed: Any = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):
                record = passed
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Take the record."""
        if reentrancy.threads and reentrancy.is_refused(record.name):
            return
        try:
            config = backends.writer_config()
            severity = record.levelno
            level = _levels[severity] if severity in _levels else level_column(severity)
            config.sink.append(_line(record, level, config))
        except Exception as error:  # noqa: BLE001  (the application goes on, whatever it logs)
            complain(f"A record of the logger {record.name} could not be taken: {type(error).__name__}.")


def row_of(record: logging.LogRecord) -> Row:
    """Return the row that the handler would store for a logging record, for formatters that write the same."""
    return decode(_line(record, level_column(record.levelno), backends.writer_config()))


def level_column(severity: int) -> bytes:
    """Return the level of one of logging's numbers; for a number between two levels, the lower one."""
    return LEVEL_COLUMNS[min(max(severity // 10 - 1, 0), len(LEVEL_COLUMNS) - 1)]


def build_line(
    config: backends.WriterConfig,
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
    """The line of a record of this process, redacted; whatever is given, something that can be stored.

    Correlation id, user id, trace id and subject are each by `column`. The record is of now, or of the instant when it
    was `created`, if something held it back since.
    """
    plain = text.isprintable() and "\\" not in text and len(text) <= PLAIN_CHARACTERS
    message = text.encode() if plain else _message_bytes(text)
    try:
        told = dumps(context, json_default)
    except (TypeError, ValueError, RecursionError):
        told = NUL
    if b"\\" in told or len(told) > MAX_BYTES:  # what JSON or PostgreSQL cannot hold would be escaped
        told = storable(context, told)
    data = message + b"\t" + told
    if (config.scan if len(data) <= SHORT_BYTES else config.search)(data):
        plain = False
        message = redact_text(message.decode()).encode()
        told = dump(redact_value(json.loads(told)))
    return b"\t".join(
        (
            key,
            level,
            category_column(category),
            config.source,
            message if plain else escape(message),
            correlation_id,
            user_id,
            told.replace(b"\\", b"\\\\") if b"\\" in told else told,
            trace_id,
            subject,
            NULL,
        )
    )


def column(value: object) -> bytes:
    """A short text as it stands in a line; of a model instance its name, of a long text the beginning."""
    if value is None:
        return NULL
    text = value if type(value) is str else named(value)
    return _known(text) if len(text) <= MAX_TEXT_CHARACTERS else _short(text)


def _short(text: str) -> bytes:
    text = redact_issued(text)[:MAX_TEXT_CHARACTERS]
    return text.encode() if text.isprintable() and "\\" not in text else escape_text(clean(text))


_known = lru_cache(maxsize=1024)(_short)


@lru_cache(maxsize=1024)
def category_column(name: str) -> bytes:
    """A category as it stands in a line."""
    return escape_text(redact_issued(clean(name))[:MAX_TEXT_CHARACTERS] or "general")


def _message_bytes(text: str) -> bytes:
    """The message in UTF-8; of a very long one the beginning."""
    text = clean(text)
    data = text.encode()
    if len(data) > MAX_MESSAGE_BYTES:  # redacted before it is cut: of a secret that is cut through, a part would stay
        data = redact_text(text).encode()
    if len(data) <= MAX_MESSAGE_BYTES:
        return data
    kept = data[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
    return f"{kept}… [{len(data) - MAX_MESSAGE_BYTES} bytes cut]".encode()


def _line(record: logging.LogRecord, level: bytes, config: backends.WriterConfig) -> bytes:
    known = record.__dict__
    context: dict[str, Any] = {}
    given = current_ids()
    # Ids that were made, or found acceptable, before.
    correlation_id = NULL if given[0] is None else given[0].encode()
    trace_id = NULL if given[1] is None else given[1].encode()
    user_id = NULL if given[2] is None else column(given[2])
    subject = NULL
    text, args, exc_info = record.msg, record.args, record.exc_info
    if len(known) > LOGGINGS_OWN:
        context = _extras(known)
        if "_logger" in context and is_event(context, text):
            text, context, of_event = take_event(record, context)
            exc_info = exc_info or of_event
        if not TOLD_APART.isdisjoint(context):
            correlation_id, user_id, trace_id, subject = _told_apart(
                known, context, (correlation_id, user_id, trace_id, subject)
            )
    if args:
        plain = type(text) is str and type(args) is tuple
        for arg in args if plain else ():
            if type(arg) not in SCALARS:
                plain = False
        try:
            if plain:
                text %= args
            else:
                with reentrancy.ForeignCode():
                    # Of `%(password)s` the key says that the value is a secret; in the text nothing would.
                    text = str(text) % (redact_value(args) if type(args) is dict else args)
        except Exception as error:  # noqa: BLE001  (a format that does not fit, anybody's __str__)
            context |= {"arguments": args, "format_error": type(error).__name__}
    if type(text) is not str:
        text = json_default(text)
    if exc_info or record.exc_text:
        with reentrancy.ForeignCode():
            context["exception"] = _exception(exc_info, record.exc_text)
    if record.stack_info:
        context["stack"] = record.stack_info
    name = record.name if type(record.name) is str else named(record.name)
    created = record.created if type(record.created) is float else _seconds(record.created)
    key = new_key_bytes(created)
    return build_line(config, key, level, name, str(text), context, correlation_id, user_id, trace_id, subject)


def _extras(known: dict[str, Any]) -> dict[str, Any]:
    """What `extra`, filters and subclasses put into a record, mostly behind the attributes that logging sets."""
    behind = islice(known.items(), LOGGINGS_OWN - 1, None)
    if next(behind)[0] == LAST_OF_LOGGING:
        return dict(behind)
    # A subclass of LogRecord has set attributes before logging's own, or somebody has removed one of these.
    return {name: value for name, value in known.items() if name not in NAMES_OF_LOGGING}


def _told_apart(
    known: dict[str, Any], context: dict[str, Any], whose: tuple[bytes, bytes, bytes, bytes]
) -> tuple[bytes, bytes, bytes, bytes]:
    """Whose a record is by its own attributes, which are taken out of the context; else whose it was taken for."""
    for name in ("request", "response"):
        if name in context and (told := in_words(context.pop(name))) is not None:
            context[name] = told
    for name in ("message", "asctime"):
        if name in known and context.get(name) is known[name]:
            del context[name]
    given = [context.pop(name, None) for name in ("correlation_id", "user_id", "trace_id", "subject")]
    if "request" in known:
        # A record about a request may come after it: the request still has its id.
        with suppress(Exception):  # whatever somebody calls a request
            if _is_blank(given[0]) and whose[0] == NULL:
                given[0] = getattr(known["request"], "correlation_id", None)
    found = [other if _is_blank(own) else column(own) for own, other in zip(given, whose, strict=True)]
    return found[0], found[1], found[2], found[3]


def _seconds(created: object) -> float | None:
    """When a record was created that another process or a test made, where that is a number."""
    with suppress(Exception):  # whatever somebody calls a time
        if isinstance(created, int | float):
            return float(created)
    return None


def _is_blank(value: object) -> bool:
    # Anything else is not asked whether it is true: a queryset would ask the database.
    return value is None or (type(value) is str and not value)


def _exception(exc_info: Any, exc_text: str | None) -> str:
    """The traceback. `exc_text` belongs to the formatters of other handlers, and stands for it only where it is all."""
    if not exc_info or exc_info[0] is None:
        return exc_text or ""
    kind, _, trace = exc_info
    try:
        return formatter.formatException(exc_info)
    except Exception as error:  # noqa: BLE001  (notes and fields of an exception are anybody's)
        frames = "".join(traceback.format_tb(trace))
        return f"{frames}{kind.__module__}.{kind.__qualname__}: <not to be formatted: {type(error).__name__}>"
