"""If OpenTelemetry has a current span, its trace is used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import RequestFactory
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from systemlog.correlation import CorrelationMiddleware, correlated, current, current_ids, outgoing_headers

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
CALLERS = "00-11111111111111111111111111111111-2222222222222222-01"


@pytest.fixture
def span() -> NonRecordingSpan:
    state = TraceState([("vendor", "1")])
    return NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1), trace_state=state))


def test_the_current_span_is_the_trace(span: NonRecordingSpan) -> None:
    with correlated(traceparent=CALLERS) as correlation:
        assert correlation.trace_id == "1" * 32
        with trace.use_span(span):
            assert correlation.trace_id == f"{TRACE:032x}"


def test_code_of_no_request_has_the_trace_of_its_span(span: NonRecordingSpan) -> None:
    assert current_ids() == (None, None, None)
    with trace.use_span(span):
        assert current_ids() == (None, f"{TRACE:032x}", None)


def test_an_outgoing_call_names_the_span_as_its_parent(span: NonRecordingSpan) -> None:
    with correlated("given"), trace.use_span(span):
        headers = outgoing_headers()

    assert headers == {
        "X-Request-ID": "given",
        "traceparent": f"00-{TRACE:032x}-{SPAN:016x}-01",
        "tracestate": "vendor=1",
    }


def test_without_a_span_the_callers_trace_goes_on() -> None:
    with correlated(traceparent=CALLERS):
        assert outgoing_headers()["traceparent"].startswith(f"00-{'1' * 32}-")


def test_a_stream_keeps_the_trace_of_a_span_that_has_ended(span: NonRecordingSpan) -> None:
    def chunks() -> Iterator[str]:
        correlation = current()
        yield str(correlation and correlation.trace_id)

    def view(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(chunks())

    with trace.use_span(span):
        response = CorrelationMiddleware(view)(RequestFactory().get("/"))

    assert response.getvalue() == f"{TRACE:032x}".encode()
