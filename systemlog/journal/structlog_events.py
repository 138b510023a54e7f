"""Records that come from structlog. With its `wrap_for_formatter`, the message of a log record is a dictionary, the
event.

Only structlog's own formatter reads that dictionary. This module makes a message and a context of it, as other records
have.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import Any, cast

MARKS = ("_logger", "_name")
"""The keys that `structlog.stdlib.ProcessorFormatter.wrap_for_formatter` puts into `extra`. structlog's formatter
recognizes its records by them (structlog 21 to 26)."""

EVENT_KEYS = ("event", "message", "msg")
"""The keys that may hold the text; `structlog.processors.EventRenamer` may have moved it from the first to another one.
"""

SAME_TIME_S = 1.0


def is_event(extras: dict[str, Any], message: object) -> bool:
    """Whether a log record with these extras and this message comes from structlog."""
    return isinstance(message, dict) and MARKS[0] in extras and MARKS[1] in extras


def take_event(record: logging.LogRecord, extras: dict[str, Any]) -> tuple[object, dict[str, Any], Any]:
    """Return the text of the event, its context, and the exception to store with it, as logging's `exc_info` or None.

    Values that have columns of their own (level, name of the logger, time) are left out of the context.
    """
    context = {name: value for name, value in extras.items() if name not in MARKS}
    event: dict[str, Any] = {**cast("dict[str, Any]", record.msg)}  # a copy, because other handlers read the event too
    key = next((key for key in EVENT_KEYS if key in event), None)
    text = event.pop(key) if key else ""
    for name, own in (("level", record.levelname), ("logger", record.name)):
        value = event.get(name)
        if isinstance(value, str) and value.lower() == str(own).lower():
            del event[name]
    if _is_close(event.get("timestamp"), record.created):
        del event["timestamp"]
    exc_info = _exc_info(event.pop("exc_info", None))
    return text, context | event, exc_info


def _exc_info(given: object) -> Any:
    """Return logging's form of the value that structlog's exception processors would have formatted."""
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    if isinstance(given, tuple) and len(given) == 3:
        return given
    if type(given) is bool and given and sys.exc_info()[0] is not None:
        return sys.exc_info()
    return None


def _is_close(timestamp: object, created: float) -> bool:
    """Whether `timestamp` is the record's own time, in either form that structlog's `TimeStamper` writes."""
    try:
        if isinstance(timestamp, str):
            timestamp = datetime.fromisoformat(timestamp).timestamp()
        return isinstance(timestamp, float) and abs(timestamp - created) < SAME_TIME_S
    except (ValueError, OverflowError, OSError, TypeError):
        return False
