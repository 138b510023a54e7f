"""A logging filter that sets the correlation on each record, for formatters to print."""

from __future__ import annotations

import logging

from systemlog.correlation.context import current_ids


class CorrelationFilter(logging.Filter):
    """Sets `correlation_id`, `trace_id` and `user_id` on each record; None if unknown. Drops no record.

    Put it on handlers. A filter on a logger sees only the records of that logger, not those of its children.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attributes that the record does not have, and return True."""
        known = record.__dict__
        correlation_id, trace_id, user_id = current_ids()
        if correlation_id is None:
            # A server may log about a request after it has ended. The request still has its id.
            correlation_id = getattr(known.get("request"), "correlation_id", None)
        known.setdefault("correlation_id", correlation_id)
        known.setdefault("trace_id", trace_id)
        known.setdefault("user_id", user_id)
        return True
