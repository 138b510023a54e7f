"""Decoding OTLP logs in protobuf, with the messages of opentelemetry-proto (the extra `otlp`)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from math import isfinite
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as Message
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from systemlog.ingest.mapping import TOO_DEEP, Refused
from systemlog.ingest.otlp_records import Decoded, LogRecord, Scope, Undecodable, make_scope
from systemlog.ingest.protobuf import BROKEN, fields
from systemlog.ingest.streams import BodyBroken
from systemlog.records.fields import MAX_CONTEXT_DEPTH

MAX_RECORD_BYTES = 8 * 2**20
"""The largest encoded record, resource or scope. Decoded, empty attributes take thirty times as much memory."""

NO_TRACE, NO_SPAN = b"\0" * 16, b"\0" * 8
RESOURCE_LOGS = RESOURCE = SCOPE = 1
SCOPE_LOGS = LOG_RECORDS = 2


def decode(body: bytes) -> Iterator[Decoded]:
    """Yield the records of an ExportLogsServiceRequest. Raises `BodyBroken` at a broken place."""
    for number, start, end in fields(body, 0, len(body)):
        if number != RESOURCE_LOGS:
            continue
        resource = _resource(body, start, end)
        for number_, start_, end_ in fields(body, start, end):
            if number_ == SCOPE_LOGS:
                scope = _scope(body, start_, end_, resource)
                for field, begin, stop in fields(body, start_, end_):
                    if field == LOG_RECORDS:
                        yield scope, _record(body, begin, stop)


def _first(body: bytes, start: int, end: int, wanted: int) -> tuple[int, int] | None:
    """Return the place of the first field with the number `wanted`, which encoders write before the repeated fields."""
    for number, begin, stop in fields(body, start, end):
        if number == wanted:
            return begin, stop
    return None


def _resource(body: bytes, start: int, end: int) -> dict[str, Any]:
    place = _first(body, start, end, RESOURCE)
    if place is None:
        return {}
    if place[1] - place[0] > MAX_RECORD_BYTES:
        return {"truncated": place[1] - place[0]}
    try:
        return _attributes(Resource.FromString(body[slice(*place)]).attributes, 2)
    except DecodeError as error:
        raise BodyBroken(BROKEN) from error
    except Refused:
        return {"truncated": place[1] - place[0]}


def _scope(body: bytes, start: int, end: int, resource: dict[str, Any]) -> Scope:
    place = _first(body, start, end, SCOPE)
    if place is None:
        return make_scope(resource, "", "", {})
    if place[1] - place[0] > MAX_RECORD_BYTES:
        return make_scope(resource, "", "", {"truncated": place[1] - place[0]})
    try:
        scope = InstrumentationScope.FromString(body[slice(*place)])
        attributes = _attributes(scope.attributes, 3)
    except DecodeError as error:
        raise BodyBroken(BROKEN) from error
    except Refused:
        attributes = {"truncated": place[1] - place[0]}
    return make_scope(resource, scope.name, scope.version, attributes)


def _record(body: bytes, start: int, end: int) -> LogRecord | Undecodable | Refused:
    if end - start > MAX_RECORD_BYTES:
        return Refused(f"It has more than {MAX_RECORD_BYTES} bytes.")
    try:
        record = Message.FromString(body[start:end])
    except DecodeError:
        return Undecodable()
    try:
        trace_id, span_id = record.trace_id, record.span_id
        return LogRecord(
            record.time_unix_nano or record.observed_time_unix_nano,
            record.severity_number,
            record.severity_text,
            _value(record.body, 2) if record.HasField("body") else None,
            _attributes(record.attributes, 1),
            trace_id.hex() if len(trace_id) == 16 and trace_id != NO_TRACE else None,
            span_id.hex() if len(span_id) == 8 and span_id != NO_SPAN else None,
            getattr(record, "event_name", ""),  # another package may have installed an older opentelemetry-proto
        )
    except Refused as refused:
        return refused


def _attributes(pairs: Any, depth: int) -> dict[str, Any]:
    # The two most common kinds are read here, because a call for each value costs time.
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        if kind == "string_value":
            found[pair.key] = value.string_value
        elif kind == "int_value":
            found[pair.key] = value.int_value
        else:
            found[pair.key] = _value(value, depth + 1)
    return found


def _value(value: Any, depth: int) -> Any:
    """Return the value of an AnyValue that stands at `depth`."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "double_value":
        return held if isfinite(held) else str(held)
    if kind == "bytes_value":
        return base64.b64encode(held).decode()
    if kind in ("array_value", "kvlist_value"):
        if depth > MAX_CONTEXT_DEPTH:
            raise Refused(TOO_DEEP)
        if kind == "kvlist_value":
            return _attributes(held.values, depth)
        return [_value(each, depth + 1) for each in held.values]
    return held if kind in ("string_value", "bool_value", "int_value") else None
