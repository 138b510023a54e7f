"""Who is asking: the correlation id of a request, and everything that carries it."""

from systemlog.correlation.context import Correlation, current, get_correlation_id
from systemlog.correlation.filters import CorrelationFilter
from systemlog.correlation.ids import is_acceptable, new_id
from systemlog.correlation.middleware import CorrelationMiddleware

__all__ = [
    "Correlation",
    "CorrelationFilter",
    "CorrelationMiddleware",
    "current",
    "get_correlation_id",
    "is_acceptable",
    "new_id",
]
