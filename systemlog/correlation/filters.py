"""Puts the correlation id on every log record, for formatters to print."""

from __future__ import annotations

import logging

from systemlog.correlation.context import get_correlation_id


class CorrelationFilter(logging.Filter):
    """Sets `record.correlation_id`; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark the record; an id that it already carries stays."""
        if not hasattr(record, "correlation_id"):
            record.correlation_id = get_correlation_id()
        return True
