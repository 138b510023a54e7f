"""The logging handler: turns a `LogRecord` into a line and appends the line to the journal.

This module imports no model and asks no database, because Django configures LOGGING before it loads the apps.
"""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from itertools import islice
from typing import Any

from systemlog.correlation import current_ids
from systemlog.journal import backends, reentrancy
from systemlog.journal.lines import build_line, column
from systemlog.journal.serialization import in_words, json_default, named
from systemlog.journal.stderr import complain
from systemlog.journal.structlog_events import is_event, take_event
from systemlog.records.copy_text import NULL, decode
from systemlog.records.ids import new_key_bytes
from systemlog.records.levels import LEVEL_COLUMNS, LEVEL_NAMES
from systemlog.records.row import Row
from systemlog.redaction import redact_value

OWN_ATTRIBUTES = tuple(vars(logging.LogRecord("", 0, "", 0, "", None, None)))
"""The attributes that logging itself sets on a record, in order. They are a record's first ones, whatever a record
factory adds behind them."""

OWN_COUNT = len(OWN_ATTRIBUTES)
OWN_NAMES = frozenset(OWN_ATTRIBUTES)
LAST_OWN_NAME = OWN_ATTRIBUTES[-1]

NOT_CONTEXT = {
    *("correlation_id", "trace_id", "user_id", "subject"),  # these have columns of their own
    *("request", "response"),  # these may be Django's objects, which are stored as a short text
    *("message", "asctime"),  # formatters set these
}
"""Attributes from `extra` that do not go into `context` as they are."""

_levels = {logging.getLevelNamesMapping()[name]: name.encode() for name in LEVEL_NAMES}

SCALARS = frozenset((str, int, float, bool, type(None)))
"""Types whose `str()` runs no foreign code."""

GRAVE = frozenset((b"ERROR", b"CRITICAL"))
MAX_TEMPLATE = 4096
formatter = logging.Formatter()


class SystemLogHandler(logging.Handler):
    """Appends each record to the journal. It never raises, and never waits for a database.

    `LOGGING = {"handlers": {"system_log": {"class": "systemlog.journal.SystemLogHandler"}}, …}`
    """

    def createLock(self) -> None:  # noqa: N802  (logging's name)
        """Create no lock: a record is appended with one write, which needs none."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Apply the filters and emit the record, as `logging.Handler.handle` does, but without a lock."""
        if self.filters:
            passed: Any = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):
                record = passed
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record to the journal."""
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


def _line(record: logging.LogRecord, level: bytes, config: backends.WriterConfig) -> bytes:  # noqa: PLR0912  (a call takes longer)
    attributes = record.__dict__
    context: dict[str, Any] = {}
    ids = current_ids()
    # The first two were made here or validated when they arrived, so they need no escaping.
    correlation_id = NULL if ids[0] is None else ids[0].encode()
    trace_id = NULL if ids[1] is None else ids[1].encode()
    user_id = NULL if ids[2] is None else column(ids[2])
    subject = NULL
    text, args, exc_info = record.msg, record.args, record.exc_info
    if len(attributes) > OWN_COUNT:
        context = _extras(attributes)
        if "_logger" in context and is_event(context, text):
            text, context, event_exc_info = take_event(record, context)
            exc_info = exc_info or event_exc_info
        if not NOT_CONTEXT.isdisjoint(context):
            correlation_id, user_id, trace_id, subject = _take_columns(
                attributes, context, (correlation_id, user_id, trace_id, subject)
            )
    if args:
        if level in GRAVE and type(text) is str and len(text) <= MAX_TEMPLATE and "template" not in context:
            context["template"] = text  # tells the error group of the record better than the formatted message
        plain = type(text) is str and type(args) is tuple
        for arg in args if plain else ():
            if type(arg) not in SCALARS:
                plain = False
        try:
            if plain:
                text %= args
            else:
                with reentrancy.ForeignCode():
                    # The key in `%(password)s` shows that the value is a secret; the formatted text would not.
                    text = str(text) % (redact_value(args) if type(args) is dict else args)
        except Exception as error:  # noqa: BLE001  (a format that does not fit its arguments, a __str__ that fails)
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


def _extras(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that `extra`, filters and subclasses have set on a record."""
    last_own_and_extras = islice(attributes.items(), OWN_COUNT - 1, None)
    if next(last_own_and_extras)[0] == LAST_OWN_NAME:
        return dict(last_own_and_extras)
    # A subclass of LogRecord set attributes before logging's own, or one of logging's own was removed.
    return {name: value for name, value in attributes.items() if name not in OWN_NAMES}


def _take_columns(
    attributes: dict[str, Any], context: dict[str, Any], current: tuple[bytes, bytes, bytes, bytes]
) -> tuple[bytes, bytes, bytes, bytes]:
    """Move the attributes that have columns out of the context, and return these columns.

    The columns are correlation id, user id, trace id and subject. A column for which the record has no attribute keeps
    its `current` value.
    """
    for name in ("request", "response"):
        if name in context and (words := in_words(context.pop(name))) is not None:
            context[name] = words
    for name in ("message", "asctime"):
        if name in attributes and context.get(name) is attributes[name]:
            del context[name]
    own = [context.pop(name, None) for name in ("correlation_id", "user_id", "trace_id", "subject")]
    if "request" in attributes:
        # A record about a request may be logged after the request has ended; the request object still has its id.
        with suppress(Exception):  # any object may be called a request
            if _is_blank(own[0]) and current[0] == NULL:
                own[0] = getattr(attributes["request"], "correlation_id", None)
    columns = [kept if _is_blank(value) else column(value) for value, kept in zip(own, current, strict=True)]
    return columns[0], columns[1], columns[2], columns[3]


def _seconds(created: object) -> float | None:
    """Return the time of creation as a float; None where `created` is no number."""
    with suppress(Exception):  # another process, or a test, may have set anything
        if isinstance(created, int | float):
            return float(created)
    return None


def _is_blank(value: object) -> bool:
    # No other value is asked whether it is true: a queryset would query the database.
    return value is None or (type(value) is str and not value)


def _exception(exc_info: Any, exc_text: str | None) -> str:
    """Return the formatted traceback.

    `exc_text` belongs to the formatters of other handlers, so it is used only where there is no `exc_info`.
    """
    if not exc_info or exc_info[0] is None:
        return exc_text or ""
    kind, _, trace = exc_info
    try:
        return formatter.formatException(exc_info)
    except Exception as error:  # noqa: BLE001  (the notes and attributes of an exception are foreign code)
        frames = "".join(traceback.format_tb(trace))
        return f"{frames}{kind.__module__}.{kind.__qualname__}: <not to be formatted: {type(error).__name__}>"
