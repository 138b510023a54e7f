"""OTLP over HTTP: what is refused, cut or ignored, in either encoding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from systemlog.ingest import otlp_json, otlp_protobuf
from systemlog.ingest.streams import BodyBroken
from systemlog.models import SystemLog
from tests.support.otlp import NOW_NS, PROTOBUF, URL, Export, as_protobuf, attribute, rejected, request

pytestmark = pytest.mark.django_db


Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]


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
