"""The LOGGING configuration: JSON lines with the correlation id on stdout, or plain lines on a developer's terminal."""

from __future__ import annotations

import logging
import logging.config
import sys
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS, LogData
from pythonjsonlogger.json import JsonFormatter

from systemlog.journal.serialization import in_words
from systemlog.redaction import redact_record, redact_text


class JsonLines(JsonFormatter):
    """Formats a record as a JSON line.

    Members are `timestamp` (UTC), `level`, `logger`, `message`, `correlation_id`, extras, and `exc_info`.
    """

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}{correlation_id}",
            style="{",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, "request", "response"],
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line with secrets redacted, because log collectors store these lines."""
        return redact_text(super().format(redact_record(record)))

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: LogData) -> None:
        """Put the timestamp first, and describe a request or response object in words."""
        log_data["timestamp"] = None  # takes the first place
        super().add_fields(log_data, record, message_dict)
        log_data |= {"level": record.levelname, "logger": record.name}  # last: extras must not replace them
        for name in ("request", "response"):
            if (told := in_words(getattr(record, name, None))) is not None:
                log_data[name] = told

    def jsonify_log_record(self, log_data: LogData) -> str:
        """Return the line. Values that JSON cannot hold (cycles, odd keys, depth) are written as text."""
        try:
            return super().jsonify_log_record(log_data)
        except (TypeError, ValueError, RecursionError):
            return super().jsonify_log_record({key: _as_text(value) for key, value in log_data.items()})


def configuration(*, level: str, debug: bool, form: str = "json") -> dict[str, Any]:
    """Return the `LOGGING` setting. `form` and `level` are those of stdout.

    The system log gets INFO and above even if stdout has a higher level.
    """
    plain = debug and sys.stdout.isatty()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"correlation": {"()": "systemlog.correlation.CorrelationFilter"}},
        "formatters": {
            "json": {"()": "ops_platform.logs.JsonLines"},
            "ecs": {"()": "systemlog.journal.ecs.ECSFormatter"},
            "plain": {
                "()": "systemlog.redaction.RedactingFormatter",
                "fmt": "{asctime} {levelname:8} {name}  {message}  [{correlation_id}]",
                "style": "{",
            },
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "level": level,
                "stream": "ext://sys.stdout",
                "filters": ["correlation"],
                "formatter": "plain" if plain else form,
            },
            "count": {"class": "health.metrics.logs.CountingHandler"},
            "system_log": {"class": "systemlog.journal.SystemLogHandler"},
        },
        "root": {
            "handlers": ["stdout", "count", "system_log"],
            "level": min(level, "INFO", key=logging.getLevelNamesMapping().__getitem__),
        },
        "loggers": {
            # Django's default configuration has handlers here, which would write every record twice.
            "django": {"handlers": [], "level": "NOTSET", "propagate": True},
            "django.server": {"handlers": [], "level": "NOTSET", "propagate": True},
        },
    }


def _as_text(value: object) -> object:
    if isinstance(value, str | int | float | bool | None):
        return value
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  (anybody's __repr__)
        return f"<{type(value).__name__}>"
