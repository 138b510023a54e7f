"""Decoding OTLP logs in JSON: names in camelCase, ids in hexadecimal, 64-bit numbers as text or as numbers.

Names with underscores are unknown fields, which the specification says to ignore.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

from systemlog.ingest.json_bodies import load_request
from systemlog.ingest.mapping import TOO_DEEP, Refused
from systemlog.ingest.otlp_records import Decoded, LogRecord, Undecodable, make_scope
from systemlog.ingest.streams import BodyBroken
from systemlog.records.fields import MAX_CONTEXT_DEPTH

MAX_OBJECT_BYTES = 768 * 2**20
"""The most memory that the Python objects of a request may take: twelve times the largest body."""

_trace_id = re.compile("[0-9a-fA-F]{32}").fullmatch
_span_id = re.compile("[0-9a-fA-F]{16}").fullmatch
_number = re.compile("-?[0-9]{1,20}", re.ASCII).fullmatch


def decode(body: bytes) -> Iterator[Decoded]:
    """Yield the records of an ExportLogsServiceRequest. Raises `BodyBroken` for any other body, and `BodyTooLarge`."""
    request = load_request(body, MAX_OBJECT_BYTES)
    try:
        if request is None:
            raise Undecodable
        for resource_logs in _list(_object(request), "resourceLogs"):
            resource = _shared(_object(resource_logs.get("resource")))
            for scope_logs in _list(resource_logs, "scopeLogs"):
                scope_ = _object(scope_logs.get("scope"))
                name, version = _text(scope_, "name"), _text(scope_, "version")
                scope = make_scope(resource, name, version, _shared(scope_))
                for record in _list(scope_logs, "logRecords"):
                    yield scope, _record(record)
    except Undecodable:
        raise BodyBroken("The body is no ExportLogsServiceRequest in JSON.") from None


def _record(record: dict[str, Any]) -> LogRecord | Undecodable | Refused:
    try:
        get = record.get
        time_ns = _integer(get("timeUnixNano")) or _integer(get("observedTimeUnixNano"))
        body = get("body")
        trace_id, span_id = _text(record, "traceId"), _text(record, "spanId")
        return LogRecord(
            time_ns,
            _integer(get("severityNumber")),
            _text(record, "severityText"),
            None if body is None else _value(_object(body), 2),
            _attributes(_list(record, "attributes"), 1),
            trace_id.lower() if _trace_id(trace_id) and trace_id.strip("0") else None,
            span_id.lower() if _span_id(span_id) and span_id.strip("0") else None,
            _text(record, "eventName"),
        )
    except Undecodable as undecodable:
        return undecodable
    except Refused as refused:
        return refused


def _shared(owner: dict[str, Any]) -> dict[str, Any]:
    try:
        return _attributes(_list(owner, "attributes"), 3)
    except Refused:
        return {"truncated": TOO_DEEP}


def _attributes(pairs: list[Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.get("value")
        if type(value) is dict and type(text := value.get("stringValue")) is str:
            found[_text(pair, "key")] = text
        else:
            found[_text(pair, "key")] = _value(_object(value), depth + 1)
    return found


def _value(value: dict[str, Any], depth: int) -> Any:  # noqa: PLR0911  (one for each kind)
    """Return the value of an AnyValue that stands at `depth`."""
    for kind, held in value.items():
        if held is None:
            continue
        if kind == "stringValue":
            return _text(value, kind)
        if kind == "intValue":
            return _integer(held)
        if kind == "boolValue":
            if isinstance(held, bool):
                return held
            raise Undecodable
        if kind == "doubleValue":
            return _double(held)
        if kind == "bytesValue":
            return _bytes(held)
        if kind in ("arrayValue", "kvlistValue"):
            if depth > MAX_CONTEXT_DEPTH:
                raise Refused(TOO_DEEP)
            if kind == "kvlistValue":
                return _attributes(_list(_object(held), "values"), depth)
            return [_value(each, depth + 1) for each in _list(_object(held), "values")]
    return None


def _integer(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and _number(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise Undecodable


def _double(value: object) -> float | str:
    try:
        if isinstance(value, str | float | int) and not isinstance(value, bool):
            number = float(value)
            return number if isfinite(number) else str(number)
    except (ValueError, OverflowError):
        pass
    raise Undecodable


def _bytes(value: object) -> str:
    if not isinstance(value, str):
        raise Undecodable
    try:
        # Both alphabets of base64 are accepted. The result has the standard one.
        text = value.replace("-", "+").replace("_", "/")
        return base64.b64encode(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)).decode()
    except ValueError:
        raise Undecodable from None


def _text(owner: dict[str, Any], name: str) -> str:
    value = owner.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise Undecodable


def _object(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise Undecodable


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    """Return the member `name`, which must be a list of objects; an empty list if there is none."""
    value = owner.get(name)
    if value is None:
        return []
    if isinstance(value, list) and all(type(each) is dict for each in value):
        return value
    raise Undecodable
