"""Documents for Elasticsearch as records. docs/ingest.md lists which name becomes which column.

A name with dots is looked up both as it is and in nested objects, because ECS allows both. All other values stay in
the context unchanged.
"""

from __future__ import annotations

import json
import re
from typing import Any

from systemlog.ingest.json_bodies import is_large_as_objects, load
from systemlog.ingest.mapping import LineMaker, Refused, as_json, level_of, put_aside, text_of
from systemlog.journal.ecs import EVENT_MODULE, NAMESPACE
from systemlog.records.ids import EPOCH, MICROSECOND
from systemlog.records.strict_json import Malformed
from systemlog.records.times import parse_timestamp

MAX_OBJECT_BYTES = 256 * 2**20
"""The most memory that the Python objects of a document may take."""

_date_of_index = re.compile(r"[-_.]?[0-9]{4}[-_.][0-9]{2}(?:[-_.][0-9]{2})?(?:-[0-9]{6})?\Z")
_milliseconds = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,9})?", re.ASCII).fullmatch


def line_of(document: bytes, maker: LineMaker, index: str, id_: str) -> bytes:
    """Return the line of a document's record. Raises `Refused` and `Malformed`."""
    given = read(document)
    if not isinstance(given, dict):
        raise Refused("The document is no JSON object.")
    ours = given.get("event.module") == EVENT_MODULE
    message = (
        _text(given, "message", "msg")
        or _take(given, "log", str)  # in ECS, `log` is an object
        or _text(given, "event.original")
        or as_json(given)
    )
    instant_us = _instant(given)
    level = level_of(_first(given, ("log.level", "level", "severity"), str, int))
    names = ("log.logger", "logger", "event.dataset", "data_stream.dataset")
    category = _text(given, *names) or _without_date(index)
    source = _text(given, "service.name", "host.name", "hostname") or _take(given, "host", str)
    trace_id = _text(given, "trace.id", "trace_id")
    user_id = _text(given, "user.id")
    correlation_id = _text(given, "correlation_id", "request_id", "http.request.id")
    if span_id := _text(given, "span.id"):
        put_aside(given, "span_id", span_id)
    return maker.make(
        instant_us=instant_us,
        identity=_identity(maker, index, id_) if id_ and instant_us is not None else None,
        level=level,
        category=category,
        source=source,
        message=message,
        correlation_id=correlation_id,
        user_id=user_id,
        trace_id=trace_id,
        context=_restored(given) if ours else given,
    )


def read(data: bytes) -> Any:
    """Return the JSON value of a line. NaN and Infinity, which some clients write, become text.

    Raises `Malformed`, and `Refused` for a value that would take too much memory.
    """
    if is_large_as_objects(data, MAX_OBJECT_BYTES):
        raise Refused("The document has too many parts.")
    try:
        return load(data)
    except Malformed:
        pass
    try:
        return json.loads(data.decode("utf-8", "surrogateescape"), parse_constant=str)
    except (ValueError, RecursionError):
        raise Malformed("This line is no JSON, or is nested too deep.") from None


def _identity(maker: LineMaker, index: str, id_: str) -> bytes:
    text = f"{len(index)} {index} {id_}".encode("utf-8", "surrogatepass")
    return maker.digest(text).digest()


def _without_date(index: str) -> str:
    return _date_of_index.sub("", index) or index


def _restored(given: dict[str, Any]) -> dict[str, Any]:
    """Return the context of a record of this log from the document that `systemlog.journal.ecs` made."""
    exception = given.pop("error.stack_trace", None)
    for name in ("error.type", "error.message", "ecs.version", "event.module"):
        given.pop(name, None)
    apart = given.pop(NAMESPACE, None)
    if exception is not None:
        given["exception"] = exception
    return given | apart if isinstance(apart, dict) else given


def _first(given: dict[str, Any], names: tuple[str, ...], *kinds: type) -> Any:
    """Remove and return the first of these values that is of one of these kinds and not empty, or None."""
    for name in names:
        if (found := _take(given, name, *kinds)) is not None:
            return found
    return None


def _text(given: dict[str, Any], *names: str) -> str | None:
    """Remove and return, as text, the first of these values that is a text or a number and not empty."""
    return text_of(_first(given, names, str, int, float))


def _take(given: dict[str, Any], name: str, *kinds: type) -> Any:
    """Remove and return the value of a name with dots, if the value is of one of these kinds and not empty."""
    if name in given:
        found = given[name]
        if type(found) in kinds and found != "":
            del given[name]
            return found
    if "." not in name:
        return None
    first, _, rest = name.partition(".")
    inner = given.get(first)
    if not isinstance(inner, dict):
        return None
    found = _take(inner, rest, *kinds)
    if found is not None and not inner:
        del given[first]
    return found


def _instant(given: dict[str, Any]) -> int | None:
    """Remove and return the time, in microseconds since 1970. A number or digits are milliseconds. Raises `Refused`."""
    for name in ("@timestamp", "timestamp", "time"):
        value = given.get(name)
        if value is None or value == "":
            continue
        del given[name]
        if isinstance(value, str):
            if _milliseconds(value):
                whole, _, fraction = value.partition(".")
                micro = int((fraction + "000")[:3])
                return int(whole) * 1000 + (-micro if whole.startswith("-") else micro)
            # In Elasticsearch a time without an offset is UTC.
            instant = parse_timestamp(value) or parse_timestamp(value + "Z")
            if instant is not None:
                return (instant - EPOCH) // MICROSECOND
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e16:
            return value * 1000 if isinstance(value, int) else round(value * 1000)
        raise Refused(f"{name} is no time: send RFC 3339, or milliseconds since 1970.")
    return None
