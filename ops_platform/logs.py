"""What goes to stdout: one JSON object a line, with the correlation id; plain lines for a developer's terminal."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS, LogData
from pythonjsonlogger.json import JsonFormatter

from systemlog.redaction import has_secret, redact_value

# Live objects that Django puts on its records; their text would repeat the query string or nothing of use.
OBJECTS = ("request", "response", "server_time")


class JsonLines(JsonFormatter):
    """`timestamp` (UTC), `level`, `logger`, `message`, `correlation_id`, what `extra` held, and `exc_info`."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}{correlation_id}",
            style="{",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, *OBJECTS],
        )

    def add_fields(self, log_data: LogData, record: logging.LogRecord, message_dict: LogData) -> None:
        """The instant first; of which request a record of Django's is, without its query string."""
        log_data["timestamp"] = None  # takes the first place
        super().add_fields(log_data, record, message_dict)
        log_data |= {"level": record.levelname, "logger": record.name}  # whatever `extra` had under these names
        request = getattr(record, "request", None)
        if (method := getattr(request, "method", None)) and (path := getattr(request, "path", None)):
            log_data["request"] = f"{method} {path}"

    def jsonify_log_record(self, log_data: LogData) -> str:
        """The line; what JSON cannot hold (cycles, odd keys, depth) is written as text, for no record may be lost."""
        try:
            line = super().jsonify_log_record(log_data)
        except (TypeError, ValueError, RecursionError):
            line = super().jsonify_log_record({key: _as_text(value) for key, value in log_data.items()})
        # Collectors keep these lines, as the table keeps its records.
        return json.dumps(redact_value(json.loads(line))) if has_secret(line.encode()) else line


def configuration(*, level: str, debug: bool) -> dict[str, Any]:
    """The `LOGGING` setting. `level` is stdout's: the log gets INFO and above too where stdout is quieter."""
    plain = debug and sys.stdout.isatty()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"correlation": {"()": "systemlog.correlation.CorrelationFilter"}},
        "formatters": {
            "json": {"()": "ops_platform.logs.JsonLines"},
            "plain": {
                "format": "{asctime} {levelname:8} {name}  {message}  [{correlation_id}]",
                "style": "{",
            },
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "level": level,
                "stream": "ext://sys.stdout",
                "filters": ["correlation"],
                "formatter": "plain" if plain else "json",
            },
            "count": {"class": "health.metrics.logs.CountingHandler"},
            "system_log": {"class": "systemlog.journal.SystemLogHandler"},
        },
        "root": {
            "handlers": ["stdout", "count", "system_log"],
            "level": min(level, "INFO", key=logging.getLevelNamesMapping().__getitem__),
        },
        "loggers": {
            # Django's default configuration gives these handlers of their own: everything would come twice.
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
