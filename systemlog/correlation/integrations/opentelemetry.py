"""Reads the current span of OpenTelemetry, whose trace then replaces the one of this package.

The package is optional and never imported here: if no other code has imported it, there is no current span.
"""

from __future__ import annotations

import sys
from typing import Any

from systemlog.correlation.tracecontext import TraceContext

API = "opentelemetry.trace"
"""The module that must be imported before there can be a current span."""


def current_trace_id() -> str | None:
    """Return the trace id of OpenTelemetry's current span; None if there is no valid span."""
    span = _current_span()
    return None if span is None else f"{span.trace_id:032x}"


def current_trace() -> TraceContext | None:
    """Return the trace of OpenTelemetry's current span; None if there is no valid span."""
    span = _current_span()
    if span is None:
        return None
    traceparent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    return TraceContext(traceparent, span.trace_state.to_header())


def current_headers() -> dict[str, str]:
    """Return the headers for an outgoing call whose parent is the current span; empty if there is no valid span."""
    span, trace = _current_span(), current_trace()
    return {} if span is None or trace is None else trace.headers(parent_id=f"{span.span_id:016x}")


def _current_span() -> Any:
    api = sys.modules.get(API)
    if api is None:
        return None
    span = api.get_current_span().get_span_context()
    return span if span.is_valid else None
