"""Loki's push API, as JSON and as a snappy block of protobuf."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.ingest import loki_json, loki_protobuf
from systemlog.ingest.loki_labels import read_labels
from systemlog.ingest.protobuf import write_bytes, write_number, write_varint
from systemlog.ingest.streams import BodyBroken
from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

URL = "/loki/api/v1/push"
JSON = "application/json"
PROTOBUF = "application/x-protobuf"
NOW_NS = time.time_ns() // 1000 * 1000 + 7
NOW = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW_NS // 1000)

Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]
LokiEntry = tuple[int, str] | tuple[int, str, dict[str, str]]


def as_json(labels: dict[str, str], *entries: LokiEntry) -> bytes:
    values = [[str(entry[0]), *entry[1:]] for entry in entries]
    return json.dumps({"streams": [{"stream": labels, "values": values}]}).encode()


def as_message(labels: dict[str, str], *entries: LokiEntry) -> bytes:
    quoted = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    stream = write_bytes(1, f"{{{quoted}}}".encode())
    for entry in entries:
        seconds, nanoseconds = divmod(entry[0], 10**9)
        instant = write_number(1, seconds) + write_number(2, nanoseconds)
        inner = write_bytes(1, instant) + write_bytes(2, entry[1].encode())
        for name, value in (entry[2] if len(entry) > 2 else {}).items():
            inner += write_bytes(3, write_bytes(1, name.encode()) + write_bytes(2, value.encode()))
        stream += write_bytes(2, inner)
    return write_bytes(1, stream)


def as_protobuf(labels: dict[str, str], *entries: LokiEntry) -> bytes:
    return bytes(cramjam.snappy.compress_raw(as_message(labels, *entries)))


@pytest.fixture(params=[(JSON, as_json), (PROTOBUF, as_protobuf)], ids=["json", "protobuf"])
def push(request: pytest.FixtureRequest, send: Send) -> Send:
    """Sends labels and entries in either encoding."""
    kind, encode = request.param

    def push(labels: dict[str, str], *entries: LokiEntry, **given: Any) -> Any:
        return send(URL, encode(labels, *entries), kind, **given)

    return push


def test_an_entry_is_mapped_as_documented(push: Send, the_record: Callable[[], SystemLog]) -> None:
    labels = {
        "app": 'sh"op,',
        "job": "j",
        "level": "warn",
        "filename": "/var/log/x",
        "zone": "b",
        "password": "hunter2",
    }
    metadata = {"traceID": "abc", "request_id": "r", "zone": "other", "pod": "p"}
    response = push(labels, (NOW_NS, "charge failed", metadata))
    assert (response.status_code, response.content) == (204, b"")
    record = the_record()
    assert record.timestamp == NOW
    assert (record.level, record.source, record.category, record.message) == (
        "WARNING",
        'sh"op,',
        "/var/log/x",
        "charge failed",
    )
    assert (record.trace_id, record.correlation_id) == ("abc", "r")
    assert record.context == {"job": "j", "zone": "b", "zone_": "other", "pod": "p", "password": "[redacted]"}


def test_an_entry_is_stored_once_in_whatever_company_and_equal_ones_are_all_kept(push: Send, stored: Stored) -> None:
    labels = {"app": "a"}
    first, second = (NOW_NS, "one"), (NOW_NS, "two")
    for entries in ([first, first], [second, first], [first, second, first]):
        assert push(labels, *entries).status_code == 204
    assert sorted(record.message for record in stored()) == ["one", "one", "two"]
    push({"app": "b"}, first)
    push(labels, (*first, {"m": "1"}))
    assert len(stored()) == 5


def test_both_encodings_are_the_same_entry(send: Send, stored: Stored) -> None:
    entry = ({"app": "a", "b": "c"}, (NOW_NS, "line", {"m": "1"}))
    send(URL, as_json(*entry))
    send(URL, as_protobuf(*entry), "", headers={"Content-Type": None})
    send(URL, as_protobuf(*entry), PROTOBUF, headers={"Content-Encoding": "snappy"})
    send(URL, gzip.compress(as_json(*entry)), headers={"Content-Encoding": "gzip"})
    assert len(stored()) == 1


def test_entries_that_cannot_be_stored_are_counted_and_the_others_are_kept(push: Send, stored: Stored) -> None:
    response = push({"app": "a"}, (NOW_NS, "good"), (NOW_NS + 600 * 10**9, "ahead"), (NOW_NS, "also good"))
    assert response.status_code == 400
    assert response.content.startswith(b"1 of 3 entries")
    assert {record.message for record in stored()} == {"good", "also good"}


def test_the_old_form(send: Send, the_record: Callable[[], SystemLog]) -> None:
    body = {"labels": '{app="a", b="c\\"d"}', "entries": [{"ts": NOW.isoformat(), "line": "x"}]}
    assert send(URL, json.dumps({"streams": [body]}).encode()).status_code == 204
    record = the_record()
    assert (record.timestamp, record.source, record.context) == (NOW, "a", {"b": 'c"d'})


@pytest.mark.parametrize("body", [b"{}", b'{"streams": []}', b'{"streams": [{"stream": {}, "values": []}]}'])
def test_nothing_to_store_is_204(body: bytes, send: Send) -> None:
    assert send(URL, body).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"streams": {}}',
        b'{"streams": [1]}',
        b'{"streams": [{"stream": [], "values": []}]}',
        b'{"streams": [{"stream": {}, "values": [["soon", "x"]]}]}',
        b'{"streams": [{"stream": {}, "values": [["1"]]}]}',
        b'{"streams": [{"labels": "app", "entries": []}]}',
    ],
)
def test_what_is_no_request_is_400(body: bytes, send: Send) -> None:
    response = send(URL, body)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/plain")


def test_a_block_that_lies_about_its_size_is_refused_at_once(send: Send) -> None:
    block = as_protobuf({"a": "b"}, (NOW_NS, "x"))
    assert send(URL, write_varint(2**40) + block[1:], PROTOBUF).status_code == 413
    assert send(URL, write_varint(64 * 2**20 + 1) + block[1:], PROTOBUF).status_code == 413
    assert send(URL, write_varint(64 * 2**20) + block[1:], PROTOBUF).status_code == 400
    assert send(URL, write_varint(1) + block[1:], PROTOBUF).status_code == 400
    assert send(URL, b"\xff" * 20, PROTOBUF).status_code == 400


def test_what_is_too_long_is_cut_and_says_so(push: Send, the_record: Callable[[], SystemLog]) -> None:
    push({"app": "a" * 300}, (NOW_NS, "x" * 100_000))
    record = the_record()
    assert (record.message, record.source, record.context) == ("x" * 65536, "a" * 200, {"truncated": 100_000})


def test_loki_is_ready(send: Send) -> None:
    assert send("/loki/ready", method="GET", headers={"Authorization": None}).status_code == 200


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{}", {}),
        ('{a="b"}', {"a": "b"}),
        ('{ a = "b\\"c", d="{,}=" , }', {"a": 'b"c', "d": "{,}="}),
        ('{a="\\x41\\u0042\\n\\\\"}', {"a": "AB\n\\"}),
        ("{a=`x\\y`}", {"a": "x\\y"}),
    ],
)
def test_labels_are_read_from_their_text(text: str, labels: dict[str, str]) -> None:
    assert read_labels(text) == labels


@pytest.mark.parametrize("text", ["", "a", '{a="b}', '{a="b" c="d"}', '{="b"}', "{a=b}"])
def test_what_are_no_labels_is_refused(text: str) -> None:
    with pytest.raises(BodyBroken):
        read_labels(text)


@given(st.dictionaries(st.from_regex("[a-z_]{1,5}", fullmatch=True), st.text(max_size=20)))
def test_any_labels_are_read_as_they_were_quoted(labels: dict[str, str]) -> None:
    text = "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"
    assert read_labels(text) == labels


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    for module in (loki_protobuf, loki_json):
        with contextlib.suppress(BodyBroken):
            for _, entries in module.decode(body):
                list(entries)


def test_a_truncated_message_is_refused_at_every_byte(send: Send) -> None:
    message = as_message({"a": "b"}, (NOW_NS, "x", {"m": "1"}))
    for end in range(1, len(message)):
        block = bytes(cramjam.snappy.compress_raw(message[:end]))
        assert send(URL, block, PROTOBUF).status_code == 400, end
