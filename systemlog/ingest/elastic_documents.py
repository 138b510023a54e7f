"""A document for Elasticsearch as a record: each name is looked for nested and with its dots, as ECS has them.

What no column takes stays in the context as it was. docs/ingest.md has the table.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from systemlog.ingest.json_bodies import is_large_as_objects, load
from systemlog.ingest.mapping import LineMaker, Refused, as_json, level_of, put_aside, text_of
from systemlog.journal.ecs import EVENT_MODULE, NAMESPACE
from systemlog.records.ids import EPOCH
from systemlog.records.strict_json import Malformed
from systemlog.records.times import MICROSECOND, parse_timestamp

MAX_OBJECT_BYTES = 256 * 2**20
"""Of the Python objects that a document may become."""

_date_of_index = re.compile(r"[-_.]?[0-9]{4}[-_.][0-9]{2}(?:[-_.][0-9]{2})?(?:-[0-9]{6})?\Z")
_milliseconds = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,9})?", re.ASCII).fullmatch


def line_of(document: bytes, maker: LineMaker, index: str, id_: str) -> bytes:
    """The level and the line of a document's record. Raises `Refused` and `Malformed`."""
    given = read(document)
    if not isinstance(given, dict):
        raise Refused("The document is no JSON object.")
    ours = given.get("event.module") == EVENT_MODULE
    message = (
        _text(given, "message")
        or _text(given, "msg")
        or _text_alone(given, "log")
        or _text(given, "event.original")
        or as_json(given)
    )
    instant_us = _instant(given)
    level = level_of(_first(given, "log.level", "level", "severity"))
    category = (
        _text(given, "log.logger")
        or _text(given, "logger")
        or _text(given, "event.dataset")
        or _text(given, "data_stream.dataset")
        or _without_date(index)
    )
    source = (
        _text(given, "service.name")
        or _text(given, "host.name")
        or _text(given, "hostname")
        or _text_alone(given, "host")
    )
    trace_id = _text(given, "trace.id") or _text(given, "trace_id")
    user_id = _text(given, "user.id")
    correlation_id = _text(given, "correlation_id") or _text(given, "request_id") or _text(given, "http.request.id")
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
    """The JSON value of a line, with what clients write beside JSON: NaN. Raises `Malformed`, and `Refused` for one
    that would take too much memory.
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
    return hashlib.sha256(maker.user + b"\0" + text).digest()


def _without_date(index: str) -> str:
    return _date_of_index.sub("", index) or index


def _restored(given: dict[str, Any]) -> dict[str, Any]:
    """The context of a record of our own, out of what `systemlog.journal.ecs` made of it."""
    exception = given.pop("error.stack_trace", None)
    for name in ("error.type", "error.message", "ecs.version", "event.module"):
        given.pop(name, None)
    apart = given.pop(NAMESPACE, None)
    if exception is not None:
        given["exception"] = exception
    return given | apart if isinstance(apart, dict) else given


def _first(given: dict[str, Any], *names: str) -> object:
    """Take the first of these that is a text or a number."""
    for name in names:
        if (found := _take(given, name, str, int)) is not None:
            return found
    return None


def _text(given: dict[str, Any], name: str) -> str | None:
    """Take a text, or a number as one, that is not empty."""
    found = _take(given, name, str, int, float)
    return None if found is None else text_of(found)


def _text_alone(given: dict[str, Any], name: str) -> str | None:
    """Take what is a text, and not the object of that name."""
    if isinstance(found := given.get(name), str) and found:
        del given[name]
        return found
    return None


def _take(given: dict[str, Any], name: str, *kinds: type) -> Any:
    """Take the value of a name with dots out of a document, if it is of one of these kinds and not empty."""
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
    """Take the time, in microseconds since 1970; a number or digits are milliseconds. Raises `Refused`."""
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
            # Elasticsearch takes a time without an offset for UTC.
            instant = parse_timestamp(value) or parse_timestamp(value + "Z")
            if instant is not None:
                return (instant - EPOCH) // MICROSECOND
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e16:
            return value * 1000 if isinstance(value, int) else round(value * 1000)
        raise Refused(f"{name} is no time: send RFC 3339, or milliseconds since 1970.")
    return None
