"""The correlation of the code that runs now: one context variable, set by the middleware."""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar


@dataclasses.dataclass(frozen=True, slots=True)
class Correlation:
    """What is known of the request (or task, or command run) that the running code works for."""

    correlation_id: str
    trace_id: str | None = None
    user_id: str | None = None


_current: ContextVar[Correlation | None] = ContextVar("systemlog_correlation", default=None)


def current() -> Correlation | None:
    """The correlation of the running code; None outside a request, task or command."""
    return _current.get()


def get_correlation_id() -> str | None:
    """The correlation id of the running code; None outside a request, task or command."""
    correlation = _current.get()
    return None if correlation is None else correlation.correlation_id
