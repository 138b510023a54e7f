"""Counts log records: a handler for LOGGING, beside those that write them."""

from __future__ import annotations

import logging

from health.metrics.instruments import LOG_RECORDS

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OTHER = "OTHER"

_counters = {level: LOG_RECORDS.labels(level) for level in (*LEVELS, OTHER)}


class CountingHandler(logging.Handler):
    """Counts every record by its level, and writes nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        """One more of its level."""
        _counters[record.levelname if record.levelname in LEVELS else OTHER].inc()
