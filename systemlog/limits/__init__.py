"""Rate limits that are exact over all processes. The headers of every response state them."""

from systemlog.limits.decorator import limited
from systemlog.limits.middleware import LimitMiddleware
from systemlog.limits.throttle import LimitThrottle

__all__ = ["LimitMiddleware", "LimitThrottle", "limited"]
