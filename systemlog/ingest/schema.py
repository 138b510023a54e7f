"""The endpoints of all protocols in an OpenAPI document, as far as OpenAPI can describe them.

`SPECTACULAR_SETTINGS = {"POSTPROCESSING_HOOKS": [..., "systemlog.ingest.schema.add_ingest"]}`
"""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from systemlog.conf import conf
from systemlog.ingest.errors import JSON, PROTOBUF
from systemlog.ingest.journald import MEDIA_TYPE as JOURNAL
from systemlog.problems.types import BadRequest

TAG = "ingest"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"

OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
BYTES = {"type": "string", "format": "binary"}
STRING = {"type": "string"}

STATUS = {
    "type": "object",
    "description": "google.rpc.Status",
    "properties": {"code": {"type": "integer"}, "message": STRING},
    "required": ["code", "message"],
}
CAUSE = {"type": "object", "properties": {"type": STRING, "reason": STRING}, "required": ["type", "reason"]}
ELASTIC_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"type": STRING, "reason": STRING, "root_cause": {"type": "array", "items": CAUSE}},
            "required": ["type", "reason", "root_cause"],
        },
        "status": {"type": "integer"},
    },
    "required": ["error", "status"],
}
ELASTIC_CREATED = {
    "type": "object",
    "properties": {"_index": STRING, "_id": STRING, "result": {"type": "string", "enum": ["created"]}},
    "required": ["_index", "_id", "result"],
    "additionalProperties": True,
}
ELASTIC_BULK = {
    "type": "object",
    "properties": {
        "took": {"type": "integer"},
        "errors": {"type": "boolean"},
        "items": {"type": "array", "items": OBJECT},
    },
    "required": ["took", "errors", "items"],
}
OTLP_RESPONSE = {
    "type": "object",
    "properties": {
        "partialSuccess": {
            "type": "object",
            "properties": {"rejectedLogRecords": STRING, "errorMessage": STRING},
        }
    },
}

ERRORS = {
    "400": "What was sent cannot be read, or not all of it was taken",
    "401": "No token, or none that is known",
    "403": "The token may not write",
    "404": "There is no such path, or it is switched off",
    "405": "Another method is needed",
    "413": "The body is too large",
    "415": "Another type or encoding is needed",
    "500": "The server failed",
    "503": "There is no room; send it again later",
}


def add_ingest(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the endpoints that are installed and switched on. A post-processing hook of drf-spectacular."""
    security: list[dict[str, Any]] = [{name: []} for name in result.get("components", {}).get("securitySchemes", {})]
    added = {}
    for protocol, name, operations in (
        ("otlp", "ingest-otlp", _otlp),
        ("elastic", "ingest-elastic", _elastic),
        ("loki", "ingest-loki", _loki),
        ("loki", "ingest-loki-ready", _loki_ready),
        ("journald", "ingest-journald", _journald),
    ):
        try:
            path = reverse(name)
        except NoReverseMatch:
            continue
        if protocol in conf().INGEST:
            added.update(operations(path))
    for methods in added.values():
        for operation in methods.values():
            operation.setdefault("security", security)
            operation["tags"] = [TAG]
    result["paths"] = dict(sorted({**result.get("paths", {}), **added}.items()))
    return result


def _otlp(path: str) -> dict[str, Any]:
    answer = {JSON: OTLP_RESPONSE, PROTOBUF: BYTES}
    operation = _operation(
        "ingest_otlp_logs",
        "Write the records of an OpenTelemetry SDK or Collector",
        body={JSON: OBJECT, PROTOBUF: BYTES},
        answers={"200": ("Taken; partialSuccess says what was not", answer)},
        error={JSON: STATUS, PROTOBUF: BYTES},
    )
    return {path: {"post": operation}}


def _elastic(path: str) -> dict[str, Any]:
    bulk = {NDJSON: STRING, JSON: STRING}
    taken = {"200": ("An item for each action", {JSON: ELASTIC_BULK})}
    created = {"201": ("Taken", {JSON: ELASTIC_CREATED})}
    about = {"200": ("What the server says it is", {JSON: OBJECT})}
    index, id_ = _parameter("index"), _parameter("id")

    def operation(name: str, summary: str, *parameters: Any, body: Any = None, answers: Any = None) -> dict[str, Any]:
        made = _operation(f"ingest_elastic_{name}", summary, body=body, answers=answers, error={JSON: ELASTIC_ERROR})
        return {**made, "parameters": list(parameters)} if parameters else made

    one = {JSON: OBJECT}
    paths = {
        path: {"get": operation("about", "What clients of Elasticsearch ask first", answers=about)},
        f"{path}/{{index}}/_doc": {"post": operation("document", "Write a document", index, body=one, answers=created)},
    }
    # Clients use POST or PUT.
    for method in ("post", "put"):
        for place, name, summary, parameters, body, answers in (
            ("_bulk", "bulk", "Write documents", (), bulk, taken),
            ("{index}/_bulk", "bulk_of_index", "Write documents of one index", (index,), bulk, taken),
            ("{index}/_doc/{id}", "document_with_id", "Write a document once", (index, id_), one, created),
            ("{index}/_create/{id}", "create", "Write a new document once", (index, id_), one, created),
        ):
            made = operation(f"{name}_by_{method}", summary, *parameters, body=body, answers=answers)
            paths.setdefault(f"{path}/{place}", {})[method] = made
    return paths


def _loki(path: str) -> dict[str, Any]:
    operation = _operation(
        "ingest_loki_push",
        "Write the entries of a client of Loki",
        body={JSON: OBJECT, PROTOBUF: BYTES},
        answers={"204": ("Taken", {})},
        needs_body=False,
        error={TEXT: STRING},
    )
    return {path: {"post": operation}}


def _loki_ready(path: str) -> dict[str, Any]:
    operation = _operation(
        "ingest_loki_ready",
        "What clients of Loki ask first",
        answers={"200": ("It is ready", {TEXT: STRING})},
        error={TEXT: STRING},
    )
    return {path: {"get": {**operation, "security": []}}}


def _journald(path: str) -> dict[str, Any]:
    operation = _operation(
        "ingest_journald_upload",
        "Write the entries of systemd-journal-upload",
        body={JOURNAL: BYTES},
        answers={"202": ("Taken", {TEXT: STRING})},
        needs_body=False,
        error={TEXT: STRING},
    )
    return {path: {"post": operation}}


def _operation(
    name: str,
    summary: str,
    *,
    body: dict[str, Any] | None = None,
    answers: dict[str, tuple[str, dict[str, Any]]],
    error: dict[str, Any],
    needs_body: bool = True,
) -> dict[str, Any]:
    responses = {status: _response(*answer) for status, answer in answers.items()}
    responses |= {status: _response(f"{text}; in the protocol's form", error) for status, text in ERRORS.items()}
    responses["400"]["x-problem-types"] = [BadRequest.problem_type.uri] if BadRequest.problem_type else []
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if body:
        operation["requestBody"] = {"required": needs_body, "content": _content(body)}
    return operation


def _response(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, **({"content": _content(content)} if content else {})}


def _content(schemas: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind, schema in schemas.items()}


def _parameter(name: str) -> dict[str, Any]:
    return {"in": "path", "name": name, "required": True, "schema": STRING}
