"""OTLP's log records as records of this log. docs/ingest.md lists which field becomes which column."""

from __future__ import annotations

from typing import Any, NamedTuple

from systemlog.exceptions import SystemLogError
from systemlog.ingest.mapping import INFO, LEVEL_OF_NAME, NO_MESSAGE, LineMaker, Refused, as_json, put_aside, take_text

LEVEL_OF_SEVERITY = {number: (number - 1) // 4 - (number > 4) for number in range(1, 25)}
"""1 to 8 (TRACE and DEBUG) are DEBUG. Each further level has four numbers."""


class Scope(NamedTuple):
    """The values that all records of one instrumentation scope of one resource share."""

    category: str
    source: str | None
    resource: dict[str, Any]
    scope: dict[str, Any]


class LogRecord(NamedTuple):
    """One record, from either encoding."""

    time_ns: int
    severity: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    trace_id: str | None
    span_id: str | None
    event_name: str


class Undecodable(SystemLogError):
    """This record cannot be decoded. The other records of the request can."""


Decoded = tuple[Scope, "LogRecord | Undecodable | Refused"]
"""A scope and one of its records. An exception stands for a record that cannot be stored."""


def line_of(maker: LineMaker, scope: Scope, record: LogRecord, identity: bytes, ordinal: int) -> bytes:
    """Return the line of a record, which stands at `ordinal` in the request of `identity`. Raises `Refused`."""
    context = record.attributes
    correlation_id = take_text(context, "correlation_id", "request_id")
    user_id = take_text(context, "user.id", "enduser.id")
    body = record.body
    if record.span_id:
        put_aside(context, "span_id", record.span_id)
    if record.event_name:
        put_aside(context, "event_name", record.event_name)
    if isinstance(body, str):
        message = body
    elif body is None:
        message = ""
    else:
        message = as_json(body)
        put_aside(context, "body", body)
    if scope.resource:
        put_aside(context, "resource", scope.resource)
    if scope.scope:
        put_aside(context, "scope", scope.scope)
    level = LEVEL_OF_SEVERITY.get(record.severity)
    if level is None:
        level = LEVEL_OF_NAME.get(record.severity_text.strip().lower().rstrip("234"), INFO)
    return maker.make(
        instant_us=record.time_ns // 1000 if record.time_ns else None,
        identity=identity,
        ordinal=ordinal,
        level=level,
        category=scope.category,
        source=scope.source,
        message=message or record.event_name or NO_MESSAGE,
        correlation_id=correlation_id,
        user_id=user_id,
        trace_id=record.trace_id,
        context=context,
    )


def make_scope(resource: dict[str, Any], name: str, version: str, attributes: dict[str, Any]) -> Scope:
    """Return the `Scope` of a resource's attributes, and of a scope's name, version and attributes."""
    resource = dict(resource)
    source = take_text(resource, "service.name", "host.name")
    scope: dict[str, Any] = {"version": version} if version else {}
    if attributes:
        scope["attributes"] = attributes
    return Scope(name, source, resource, scope)
