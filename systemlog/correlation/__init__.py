"""Who is asking: the correlation id of a request, and everything that carries it.

`httpx`, `requests`, `celery` and `tasks` are modules of their own, imported by whoever has those packages.
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
