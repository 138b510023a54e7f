"""Puts the correlation on every log record, for formatters to print."""

from __future__ import annotations

import logging

from systemlog.correlation.context import current_ids


class CorrelationFilter(logging.Filter):
    """Sets `correlation_id`, `trace_id` and `user_id` of each record, None where unknown; lets every record pass.

    Belongs on handlers: a logger's filter sees only what is logged to that very logger.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark the record; what it already carries stays."""
        known = record.__dict__
        correlation_id, trace_id, user_id = current_ids()
        if correlation_id is None:
            # A record about a request may come after it (a server's own access log): the request still has its id.
            correlation_id = getattr(known.get("request"), "correlation_id", None)
        known.setdefault("correlation_id", correlation_id)
        known.setdefault("trace_id", trace_id)
        known.setdefault("user_id", user_id)
        return True
