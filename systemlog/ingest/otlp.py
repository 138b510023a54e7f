"""OTLP/HTTP logs, which OpenTelemetry SDKs and Collectors send to `/v1/logs` as protobuf or JSON.

The protocol gives records no identity. So a record is identified by the request's body and the record's place in the
body: a body that is sent again stores nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from systemlog.ingest import otlp_json
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
from systemlog.ingest.mapping import LineMaker, Refused
from systemlog.ingest.otlp_records import Decoded, Undecodable, line_of
from systemlog.ingest.protobuf import write_bytes, write_number
from systemlog.ingest.streams import BodyBroken, read_pieces


class OTLPLogs(Endpoint):
    """`POST /v1/logs`."""

    protocol = "otlp"
    error_format = staticmethod(otlp_error)

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Store the records of an ExportLogsServiceRequest."""
        maker = self.writer(request)
        decode = _decoder(request)
        with holding() as hold:
            body = read_whole(read_pieces(request, max_sent=MAX_SENT_BYTES, max_decoded=MAX_HELD_BYTES), hold)
            if request.content_type == JSON:
                hold(object_bytes(body))
            rejected, reason, undecodable = take(decode(body), body, maker)
        if undecodable:
            raise BodyBroken(f"{undecodable} records cannot be decoded; the others were taken.")
        return _answer(request, rejected, reason)


def take(records: Iterator[Decoded], body: bytes, maker: LineMaker) -> tuple[int, str, int]:
    """Store records. Returns how many were rejected, why the first one was, and how many could not be decoded."""
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
                lines.add(line_of(maker, scope, record, identity, ordinal))
            except Refused as refused:
                rejected += 1
                reason = reason or f"The record at {ordinal}: {refused}"
    return rejected, reason, undecodable


def _decoder(request: HttpRequest) -> Any:
    check_media_type(request, PROTOBUF, JSON)
    if request.content_type == JSON:
        return otlp_json.decode
    try:
        from systemlog.ingest.otlp_protobuf import decode
    except ImportError:
        text = "Send application/json: this server has no opentelemetry-proto, which reads protobuf."
        raise ProtocolError(415, text, {"Accept": JSON}) from None
    return decode


def _answer(request: HttpRequest, rejected: int, reason: str) -> HttpResponse:
    """Return an ExportLogsServiceResponse in the type of the request, with `partial_success` only after rejections."""
    if request.content_type == JSON:
        partial = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": reason}} if rejected else {}
        return HttpResponse(orjson.dumps(partial), content_type=JSON)
    body = b""
    if rejected:
        body = write_bytes(1, write_number(1, rejected) + write_bytes(2, reason.encode()))
    return HttpResponse(body, content_type=PROTOBUF)
