"""Log records as documents of the Elastic Common Schema (ECS), one JSON object per line, for stdout.

A line has the same values as the record in the log, redacted and cut in the same way. Sent to `/elastic/_bulk`, a line
becomes that record. `LOGGING = {"formatters": {"ecs": {"()": "systemlog.journal.ecs.ECSFormatter"}}, …}`
"""

from __future__ import annotations

import logging
from typing import Any

import orjson

from systemlog.journal.handler import row_of
from systemlog.records.row import context_as_json
from systemlog.records.times import represent_time

ECS_VERSION = "8.17.0"
EVENT_MODULE = "systemlog"
"""The `event.module` by which the ingest recognizes documents that this formatter wrote."""

NAMESPACE = "systemlog"
"""The object that holds the values of the context whose names have another meaning in ECS."""

NAMES_OF_ECS = frozenset(
    (
        *("@timestamp", "timestamp", "time", "message", "msg", "log", "event", "level", "severity", "logger"),
        *("data_stream", "service", "host", "hostname", "trace", "trace_id", "user", "correlation_id", "request_id"),
        *("http", "span", "span_id", "ecs", "error", "exception", NAMESPACE),
    )
)


class ECSFormatter(logging.Formatter):
    """Writes `@timestamp`, `log.level`, `log.logger`, `message`, `service.name`, `trace.id`, `user.id`,
    `correlation_id`, `error.*`, and the values of `extra`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the document as one line of JSON."""
        row = row_of(record)
        document: dict[str, Any] = {
            "@timestamp": represent_time(row.timestamp),
            "log.level": row.level.lower(),
            "message": row.message,
            "ecs.version": ECS_VERSION,
            "log.logger": row.category,
            "service.name": row.source,
            "event.module": EVENT_MODULE,
        }
        for name, value in (
            ("correlation_id", row.correlation_id),
            ("trace.id", row.trace_id),
            ("user.id", row.user_id),
        ):
            if value is not None:
                document[name] = value
        context: dict[str, Any] = dict(row.context)  # type: ignore[arg-type]  # `row_of` gives a dictionary, never JSON text
        if isinstance(trace := context.get("exception"), str):
            del context["exception"]
            document |= _error(trace)
        apart = {}
        for name, value in context.items():
            if name.partition(".")[0] in NAMES_OF_ECS:
                apart[name] = value
            else:
                document[name] = value
        if apart:
            document[NAMESPACE] = apart
        try:
            return orjson.dumps(document).decode()
        except TypeError:  # integers beyond 64 bits
            return context_as_json(document)


def _error(trace: str) -> dict[str, str]:
    last = trace.rstrip().rpartition("\n")[2]
    kind, _, message = last.partition(": ")
    return {"error.type": kind, "error.message": message or kind, "error.stack_trace": trace}
