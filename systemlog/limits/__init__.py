"""How often someone may ask: rate limits that are exact over all processes, told by the headers of every answer."""

from systemlog.limits.decorator import limited
from systemlog.limits.middleware import LimitMiddleware
from systemlog.limits.throttle import LimitThrottle

__all__ = ["LimitMiddleware", "LimitThrottle", "limited"]
