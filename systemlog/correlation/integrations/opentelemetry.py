"""The current span of OpenTelemetry, where it is in use: then it, and not we, says what the trace is.

The package is optional. Where nobody has imported it no span can be current, so it is never imported from here.
"""

from __future__ import annotations

import sys
from typing import Any

from systemlog.correlation.tracecontext import TraceContext

API = "opentelemetry.trace"
"""The module without which no span is current."""


def current_trace_id() -> str | None:
    """The id of the trace of OpenTelemetry's current span; None where there is no valid one."""
    span = _current_span()
    return None if span is None else f"{span.trace_id:032x}"


def current_trace() -> TraceContext | None:
    """The trace of OpenTelemetry's current span; None where there is no valid one."""
    span = _current_span()
    if span is None:
        return None
    traceparent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    return TraceContext(traceparent, span.trace_state.to_header())


def current_headers() -> dict[str, str]:
    """The headers of one call made inside the current span, which becomes the parent; empty without one."""
    span, trace = _current_span(), current_trace()
    return {} if span is None or trace is None else trace.headers(parent_id=f"{span.span_id:016x}")


def _current_span() -> Any:
    api = sys.modules.get(API)
    if api is None:
        return None
    span = api.get_current_span().get_span_context()
    return span if span.is_valid else None
