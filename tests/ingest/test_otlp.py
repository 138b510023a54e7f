"""OTLP over HTTP: how a LogRecord becomes a record, and its identity."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from systemlog.models import SystemLog
from tests.support.otlp import ENCODINGS, JSON, NOW_NS, URL, Export, attribute, rejected, request

pytestmark = pytest.mark.django_db


TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]


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
