"""A logging handler that counts records."""

from __future__ import annotations

import logging

from health.metrics.instruments import LOG_RECORDS

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OTHER = "OTHER"

_counters = {level: LOG_RECORDS.labels(level) for level in (*LEVELS, OTHER)}


class CountingHandler(logging.Handler):
    """Counts records by level. It writes nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        """Count the record."""
        _counters[record.levelname if record.levelname in LEVELS else OTHER].inc()
