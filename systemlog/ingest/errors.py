"""Errors in the format of each protocol, wherever in the process they were raised."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from systemlog.exceptions import SystemLogError
from systemlog.ingest.protobuf import write_bytes, write_number
from systemlog.problems.protocol_formats import IN_PROTOCOL_FORMAT, ErrorFormat

MAX_TEXT_CHARACTERS = 1000

GRPC_CODES = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    405: 12,  # UNIMPLEMENTED
    413: 8,  # RESOURCE_EXHAUSTED
    415: 3,
    429: 8,
    500: 13,  # INTERNAL
    503: 14,  # UNAVAILABLE
}
UNKNOWN = 2

ELASTIC_TYPES = {
    400: "illegal_argument_exception",
    401: "security_exception",
    403: "security_exception",
    404: "resource_not_found_exception",
    405: "method_not_allowed",
    413: "content_too_long_exception",
    415: "media_type_header_exception",
    429: "es_rejected_execution_exception",
    503: "es_rejected_execution_exception",
}

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
COMPATIBLE = "application/vnd.elasticsearch+json"

_path_of_ours = re.compile(r"/(?:v1/logs|elastic|loki|journald)(?:/|\Z)")


class ProtocolError(SystemLogError):
    """An error that is sent to the client in the format of its protocol."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


class NoRoom(ProtocolError):
    """There is no room for more records. The client should send them again later."""

    def __init__(self, text: str = "The server has no room to accept more records.") -> None:
        super().__init__(503, text, {"Retry-After": "5"})


def find_error_format(request: HttpRequest) -> ErrorFormat | None:
    """Return the format of the protocol that the path belongs to, or None. A finder for `problems.protocol_formats`."""
    match = request.resolver_match
    if match is None:  # the error was raised before Django resolved the path
        if not _path_of_ours.search(request.path_info):
            return None
        try:
            match = resolve(request.path_info, getattr(request, "urlconf", None) or settings.ROOT_URLCONF)
        except Resolver404:
            return None
    view_class = getattr(match.func, "view_class", None)
    error_format: ErrorFormat | None = getattr(view_class, "error_format", None)
    return error_format


def mark(response: HttpResponse) -> HttpResponse:
    """Mark an error response as one in its protocol's format, so that the middleware does not convert it."""
    setattr(response, IN_PROTOCOL_FORMAT, True)
    return response


def otlp_error(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Return a google.rpc.Status, in the media type of the request."""
    text = _one_line(text)
    code = GRPC_CODES.get(status, UNKNOWN)
    if request.content_type == PROTOBUF:
        body = write_number(1, code) + write_bytes(2, text.encode())
        return HttpResponse(body, content_type=PROTOBUF, status=status)
    return HttpResponse(orjson.dumps({"code": code, "message": text}), content_type=JSON, status=status)


def elastic_error(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Return an error object of Elasticsearch."""
    reason = {"type": ELASTIC_TYPES.get(status, "exception"), "reason": _one_line(text)}
    return elastic_response(request, {"error": {"root_cause": [reason], **reason}, "status": status}, status)


def elastic_response(request: HttpRequest, body: dict[str, Any] | bytes, status: int = 200) -> HttpResponse:
    """Return a JSON response with the header and media type by which clients recognize Elasticsearch."""
    compatible = re.search(
        r"application/vnd\.elasticsearch\+json\s*;\s*compatible-with=[0-9]+", request.headers.get("Accept", "")
    )
    kind = compatible.group() if compatible else JSON
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    response = HttpResponse(content, content_type=kind, status=status)
    response.headers["X-Elastic-Product"] = "Elasticsearch"
    return response


def text_error(request: HttpRequest, status: int, text: str) -> HttpResponse:
    """Return one line of plain text, for Loki and journald."""
    return HttpResponse(_one_line(text) + "\n", content_type="text/plain; charset=utf-8", status=status)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT_CHARACTERS] or HTTPStatus.INTERNAL_SERVER_ERROR.phrase
