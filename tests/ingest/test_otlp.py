"""OTLP/HTTP logs, in protobuf and in JSON."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from systemlog.ingest import otlp_json, otlp_protobuf
from systemlog.ingest.streams import BodyBroken
from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

URL = "/v1/logs"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOW_NS = time.time_ns() // 1000 * 1000
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"

Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def request(*records: dict[str, Any], resource: Any = None, scope: Any = None) -> dict[str, Any]:
    """Return an ExportLogsServiceRequest in JSON."""
    scope_logs = {"logRecords": list(records), **({"scope": scope} if scope else {})}
    return {"resourceLogs": [{"scopeLogs": [scope_logs], **({"resource": resource} if resource else {})}]}


def as_protobuf(value: dict[str, Any]) -> bytes:
    """Return the same request in protobuf. `json_format` wants ids and bytes in base64."""

    def converted(each: Any) -> Any:
        if isinstance(each, dict):
            return {
                key: base64.b64encode(bytes.fromhex(held)).decode() if key in ("traceId", "spanId") else converted(held)
                for key, held in each.items()
            }
        return [converted(one) for one in each] if isinstance(each, list) else each

    message = ExportLogsServiceRequest()
    json_format.ParseDict(converted(value), message)
    return message.SerializeToString()


ENCODINGS = {JSON: lambda value: json.dumps(value).encode(), PROTOBUF: as_protobuf}


@dataclass(frozen=True)
class Export:
    """Sends requests in one encoding."""

    send: Send
    kind: str
    """The media type of the encoding."""

    def __call__(self, value: dict[str, Any] | bytes, **given: Any) -> Any:
        body = value if isinstance(value, bytes) else ENCODINGS[self.kind](value)
        return self.send(URL, body, self.kind, **given)


@pytest.fixture(params=[JSON, PROTOBUF])
def export(request: pytest.FixtureRequest, send: Send) -> Export:
    """Sends requests, in each encoding in turn."""
    return Export(send, request.param)


def rejected(response: Any) -> tuple[int, str]:
    """Return how many records were rejected, and the error message."""
    if response.headers["Content-Type"] == JSON:
        partial = response.json().get("partialSuccess", {})
        return int(partial.get("rejectedLogRecords", 0)), partial.get("errorMessage", "")
    answer = ExportLogsServiceResponse.FromString(response.content)
    return answer.partial_success.rejected_log_records, answer.partial_success.error_message


def test_a_record_is_mapped_as_documented(export: Export, the_record: Callable[[], SystemLog]) -> None:
    body = request(
        {
            "timeUnixNano": str(NOW_NS + 789),
            "severityNumber": 17,
            "body": {"stringValue": "charge failed"},
            "attributes": [
                attribute("order", intValue="7"),
                attribute("rate", doubleValue=0.5),
                attribute("ok", boolValue=True),
                attribute("tags", arrayValue={"values": [{"stringValue": "a"}, {"intValue": "1"}]}),
                attribute("nested", kvlistValue={"values": [attribute("k", stringValue="v")]}),
                attribute("raw", bytesValue="AAEC"),
                attribute("odd", doubleValue="NaN"),
                attribute("correlation_id", stringValue="abc"),
                attribute("user.id", stringValue="42"),
                attribute("span_id", stringValue="theirs"),
                attribute("password", stringValue="hunter2"),
            ],
            "traceId": TRACE.upper(),
            "spanId": SPAN,
            "eventName": "charge",
        },
        resource={"attributes": [attribute("service.name", stringValue="shop"), attribute("zone", stringValue="b")]},
        scope={"name": "billing", "version": "1.2", "attributes": [attribute("x", intValue="1")]},
    )
    response = export(body)
    assert (response.status_code, rejected(response)) == (200, (0, ""))
    assert response.content == (b"{}" if export.kind == JSON else b"")
    record = the_record()
    assert record.timestamp == datetime.fromtimestamp(NOW_NS // 10**9, UTC) + timedelta(
        microseconds=NOW_NS % 10**9 // 1000
    )
    assert (record.level, record.category, record.message, record.source) == (
        "ERROR",
        "billing",
        "charge failed",
        "shop",
    )
    assert (record.trace_id, record.correlation_id, record.user_id, record.recorded_by) == (TRACE, "abc", "42", "add")
    assert record.context == {
        "order": 7,
        "rate": 0.5,
        "ok": True,
        "tags": ["a", 1],
        "nested": {"k": "v"},
        "raw": "AAEC",
        "odd": "nan",
        "span_id": "theirs",
        "span_id_": SPAN,
        "password": "[redacted]",
        "event_name": "charge",
        "resource": {"zone": "b"},
        "scope": {"version": "1.2", "attributes": {"x": 1}},
    }


@pytest.mark.parametrize(
    ("number", "text", "level"),
    [
        (1, "", "DEBUG"),
        (8, "ERROR", "DEBUG"),
        (9, "", "INFO"),
        (12, "", "INFO"),
        (13, "", "WARNING"),
        (16, "", "WARNING"),
        (17, "", "ERROR"),
        (20, "", "ERROR"),
        (21, "", "CRITICAL"),
        (24, "", "CRITICAL"),
        (0, "Warn", "WARNING"),
        (0, "FATAL2", "CRITICAL"),
        (0, "verbatim", "INFO"),
        (99, "", "INFO"),
    ],
)
def test_severities_become_levels(
    number: int, text: str, level: str, send: Send, the_record: Callable[[], SystemLog]
) -> None:
    send(URL, json.dumps(request({"severityNumber": number, "severityText": text})).encode())
    assert the_record().level == level


@pytest.mark.parametrize(
    ("record", "message", "body"),
    [
        ({"body": {"kvlistValue": {"values": [attribute("a", intValue="1")]}}}, '{"a":1}', {"a": 1}),
        ({"body": {"intValue": "7"}}, "7", 7),
        ({"eventName": "started"}, "started", None),
        ({"body": {"stringValue": ""}}, "-", None),
        ({}, "-", None),
        ({"body": {"stringValue": "a\x00b"}}, "a\ufffdb", None),
    ],
)
def test_what_stands_for_the_message(
    record: dict[str, Any], message: str, body: Any, export: Export, the_record: Callable[[], SystemLog]
) -> None:
    assert export(request(record)).status_code == 200
    stored = the_record()
    assert (stored.message, stored.context.get("body")) == (message, body)
    assert stored.correlation_id is None


def test_the_same_body_again_stores_nothing_more_and_equal_records_are_all_kept(export: Export, stored: Stored) -> None:
    record = {"timeUnixNano": str(NOW_NS), "body": {"stringValue": "equal"}}
    first, second = request(record, record), request(record, record, {**record, "severityNumber": 9})
    for body in (first, first, second, second):
        assert export(body).status_code == 200
    assert len(stored()) == 5


def test_the_same_body_of_another_user_is_another(send: Send, stored: Stored, new_token: Callable[..., str]) -> None:
    body = json.dumps(request({"timeUnixNano": str(NOW_NS)})).encode()
    for token in (new_token("add"), new_token("add", name="other")):
        send(URL, body, token=token)
    assert len(stored()) == 2


def test_gzip_and_plain_bodies_are_the_same_request(export: Export, stored: Stored) -> None:
    body = ENCODINGS[export.kind](request({"timeUnixNano": str(NOW_NS)}))
    export(body)
    assert export(gzip.compress(body), headers={"Content-Encoding": "gzip"}).status_code == 200
    assert len(stored()) == 1


def test_a_record_that_cannot_be_stored_is_counted_and_the_others_are_kept(export: Export, stored: Stored) -> None:
    deep: dict[str, Any] = {"stringValue": "x"}
    for _ in range(25):
        deep = {"arrayValue": {"values": [deep]}}
    response = export(
        request(
            {"body": {"stringValue": "good"}},
            {"timeUnixNano": str(NOW_NS + 600 * 10**9)},
            {"attributes": [{"key": "deep", "value": deep}]},
            {"body": {"stringValue": "good"}},
        )
    )
    assert response.status_code == 200
    count, said = rejected(response)
    assert count == 2
    assert "future" in said
    assert [record.message for record in stored()] == ["good", "good"]


def test_what_is_too_long_is_cut_and_says_so(export: Export, the_record: Callable[[], SystemLog]) -> None:
    export(
        request(
            {
                "body": {"stringValue": "x" * 100_000},
                "attributes": [attribute("big", stringValue="y" * 200_000), attribute("small", intValue="1")],
                "traceId": "00" * 16,
            },
            scope={"name": "n" * 300},
        )
    )
    record = the_record()
    assert record.message == "x" * 65536
    assert record.category == "n" * 200
    assert record.trace_id is None
    assert record.context["small"] == 1
    assert record.context["truncated"] > 300_000


def test_unknown_fields_are_ignored(send: Send, stored: Stored) -> None:
    assert send(URL, b'{"resource_logs": [{}], "other": 1}').json() == {}
    assert send(URL, b"", PROTOBUF).content == b""
    assert send(URL, b"{}").status_code == 200
    assert not stored()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"resourceLogs": {}}',
        b'{"resourceLogs": [1]}',
        b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "soon"}]}]}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_in_json_is_400(body: bytes, send: Send) -> None:
    response = send(URL, body)
    assert (response.status_code, response.json().keys()) == (400, {"code", "message"})


def test_a_truncated_protobuf_is_400_at_every_byte(send: Send) -> None:
    body = as_protobuf(request({"timeUnixNano": str(NOW_NS), "body": {"stringValue": "a" * 20}}, scope={"name": "s"}))
    for end in range(1, len(body)):
        assert send(URL, body[:end], PROTOBUF).status_code == 400, end


def test_ids_of_a_wrong_length_are_none(send: Send, the_record: Callable[[], SystemLog]) -> None:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    record.trace_id, record.span_id = b"short", b"short"
    assert send(URL, message.SerializeToString(), PROTOBUF).status_code == 200
    assert the_record().trace_id is None


def test_a_record_nested_200_deep_harms_no_other(send: Send, stored: Stored) -> None:
    message = ExportLogsServiceRequest()
    scope = message.resource_logs.add().scope_logs.add()
    value = scope.log_records.add().body
    for _ in range(45):
        value = value.array_value.values.add()
    scope.log_records.add().body.string_value = "good"
    assert send(URL, message.SerializeToString(), PROTOBUF).status_code in (200, 400)
    assert [record.message for record in stored()] == ["good"]


def test_a_full_journal_is_503_in_the_form_of_the_protocol(export: Export, full_journal: None) -> None:
    response = export(request({}))
    assert (response.status_code, response.headers["Content-Type"]) == (503, export.kind)
    assert response.headers["Retry-After"]


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    for module in (otlp_protobuf, otlp_json):
        try:
            list(module.decode(body))
        except BodyBroken:
            continue


@given(st.data())
def test_the_outer_structure_is_read_as_protobuf_reads_it(data: st.DataObject) -> None:
    pieces = [as_protobuf(request({"body": {"stringValue": "x"}})), b"\x0a\x00", b"\x12\x04", b"\x08\x01", b"\x0a"]
    body = b"".join(data.draw(st.lists(st.sampled_from(pieces), max_size=6)))
    try:
        message = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        with pytest.raises(BodyBroken):
            list(otlp_protobuf.decode(body))
    else:
        count = sum(len(s.log_records) for r in message.resource_logs for s in r.scope_logs)
        assert len(list(otlp_protobuf.decode(body))) == count
