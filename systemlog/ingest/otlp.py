"""OTLP/HTTP logs: what OpenTelemetry SDKs and Collectors send to `/v1/logs`, as protobuf or JSON.

The protocol gives records no identity, so the request is it: a body that is sent again stores nothing more. What each
field becomes is in docs/ingest.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from django.http import HttpRequest, HttpResponse

from systemlog.exceptions import SystemLogError
from systemlog.ingest.endpoint import (
    MAX_HELD_BYTES,
    MAX_SENT_BYTES,
    Endpoint,
    Lines,
    check_media_type,
    holding,
    read_whole,
)
from systemlog.ingest.errors import JSON, PROTOBUF, ProtocolError, otlp_error
from systemlog.ingest.json_bodies import object_bytes
from systemlog.ingest.mapping import (
    INFO,
    LEVEL_OF_NAME,
    NO_MESSAGE,
    LineMaker,
    Refused,
    as_json,
    put_aside,
    take_text,
)
from systemlog.ingest.protobuf import write_bytes, write_number
from systemlog.ingest.streams import BodyBroken, read_pieces

LEVEL_OF_SEVERITY = {number: (number - 1) // 4 - (number > 4) for number in range(1, 25)}
"""1 to 8 are DEBUG, for TRACE is none of ours; then four numbers to a level."""


class Scope(NamedTuple):
    """What all records of one instrumentation scope of one resource share."""

    category: str
    source: str | None
    resource: dict[str, Any]
    scope: dict[str, Any]


class LogRecord(NamedTuple):
    """One record, whichever encoding it had."""

    time_ns: int
    severity: int
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    trace_id: str | None
    span_id: str | None
    event_name: str


class Undecodable(SystemLogError):
    """This one record cannot be decoded; the others of its request can."""


Decoded = tuple[Scope, "LogRecord | Undecodable | Refused"]


class OTLPLogs(Endpoint):
    """`POST /v1/logs`."""

    protocol = "otlp"

    error_form = staticmethod(otlp_error)

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Take the records of an ExportLogsServiceRequest."""
        maker = self.writer(request)
        decode = _decoder(request)
        with holding() as hold:
            body = read_whole(read_pieces(request, max_sent=MAX_SENT_BYTES, max_decoded=MAX_HELD_BYTES), hold)
            if request.content_type == JSON:
                hold(object_bytes(body))
            rejected, reason, undecodable = self._take(decode(body), body, maker)
        if undecodable:
            raise BodyBroken(f"{undecodable} records cannot be decoded; the others were taken.")
        return _answer(request, rejected, reason)

    def _take(self, records: Iterator[Decoded], body: bytes, maker: LineMaker) -> tuple[int, str, int]:
        """How many records were rejected, why the first of them was, and how many could not be decoded."""
        identity = maker.digest(body).digest()
        rejected, reason, undecodable = 0, "", 0
        with Lines(maker) as lines:
            for ordinal, (scope, record) in enumerate(records):
                if isinstance(record, Undecodable):
                    undecodable += 1
                    continue
                try:
                    if isinstance(record, Refused):
                        raise record
                    lines.add(_line(maker, scope, record, identity, ordinal))
                except Refused as refused:
                    rejected += 1
                    reason = reason or f"The record at {ordinal}: {refused}"
        return rejected, reason, undecodable


def _line(maker: LineMaker, scope: Scope, record: LogRecord, identity: bytes, ordinal: int) -> bytes:
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
    """What the records of a scope share."""
    resource = dict(resource)
    source = take_text(resource, "service.name", "host.name")
    scope: dict[str, Any] = {"version": version} if version else {}
    if attributes:
        scope["attributes"] = attributes
    return Scope(name, source, resource, scope)


def _decoder(request: HttpRequest) -> Any:
    check_media_type(request, PROTOBUF, JSON)
    if request.content_type == JSON:
        from systemlog.ingest.otlp_json import decode

        return decode
    try:
        from systemlog.ingest.otlp_protobuf import decode
    except ImportError:
        text = "Send application/json: this server has no opentelemetry-proto, which reads protobuf."
        raise ProtocolError(415, text, {"Accept": JSON}) from None
    return decode


def _answer(request: HttpRequest, rejected: int, reason: str) -> HttpResponse:
    """An ExportLogsServiceResponse in the type of the request; `partial_success` is unset where all is well."""
    if request.content_type == JSON:
        partial = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": reason}} if rejected else {}
        return HttpResponse(orjson.dumps(partial), content_type=JSON)
    body = b""
    if rejected:
        body = write_bytes(1, write_number(1, rejected) + write_bytes(2, reason.encode()))
    return HttpResponse(body, content_type=PROTOBUF)
