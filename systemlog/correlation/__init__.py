"""The correlation id of a request, task or command run, and the code that carries it to logs and other processes.

The modules of `integrations` for httpx, requests, Celery and Django's tasks are not imported here, because each needs
its package.
"""

from systemlog.correlation.access_log import annotate
from systemlog.correlation.context import Correlation, carry, correlated, current, current_ids, get_correlation_id
from systemlog.correlation.ids import is_acceptable, new_id
from systemlog.correlation.log_filter import CorrelationFilter
from systemlog.correlation.middleware import CorrelationMiddleware
from systemlog.correlation.outgoing import correlated_by, outgoing_headers, outgoing_message

__all__ = [
    "Correlation",
    "CorrelationFilter",
    "CorrelationMiddleware",
    "annotate",
    "carry",
    "correlated",
    "correlated_by",
    "current",
    "current_ids",
    "get_correlation_id",
    "is_acceptable",
    "new_id",
    "outgoing_headers",
    "outgoing_message",
]
