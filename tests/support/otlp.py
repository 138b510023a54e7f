"""Helpers for tests of OTLP."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

URL = "/v1/logs"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOW_NS = time.time_ns() // 1000 * 1000


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def request(*records: dict[str, Any], resource: Any = None, scope: Any = None) -> dict[str, Any]:
    """Return an ExportLogsServiceRequest in JSON."""
    scope_logs = {"logRecords": list(records), **({"scope": scope} if scope else {})}
    return {"resourceLogs": [{"scopeLogs": [scope_logs], **({"resource": resource} if resource else {})}]}


def as_protobuf(value: dict[str, Any]) -> bytes:
    """Return the same request in protobuf. `json_format` wants ids and bytes in base64."""

    def converted(each: Any) -> Any:
        if isinstance(each, dict):
            return {
                key: base64.b64encode(bytes.fromhex(held)).decode() if key in ("traceId", "spanId") else converted(held)
                for key, held in each.items()
            }
        return [converted(one) for one in each] if isinstance(each, list) else each

    message = ExportLogsServiceRequest()
    json_format.ParseDict(converted(value), message)
    return message.SerializeToString()


ENCODINGS = {JSON: lambda value: json.dumps(value).encode(), PROTOBUF: as_protobuf}


@dataclass(frozen=True)
class Export:
    """Sends requests in one encoding."""

    send: Callable[..., Any]
    kind: str
    """The media type of the encoding."""

    def __call__(self, value: dict[str, Any] | bytes, **given: Any) -> Any:
        body = value if isinstance(value, bytes) else ENCODINGS[self.kind](value)
        return self.send(URL, body, self.kind, **given)


def rejected(response: Any) -> tuple[int, str]:
    """Return how many records were rejected, and the error message."""
    if response.headers["Content-Type"] == JSON:
        partial = response.json().get("partialSuccess", {})
        return int(partial.get("rejectedLogRecords", 0)), partial.get("errorMessage", "")
    answer = ExportLogsServiceResponse.FromString(response.content)
    return answer.partial_success.rejected_log_records, answer.partial_success.error_message
