"""Real clients of each protocol, over a line that loses replies and answers 503: each record is there once."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from systemlog.records.times import represent_time
from tests.support.lossy import lossy_line
from tests.support.servers import Platform, Server

pytestmark = pytest.mark.e2e

RECORDS = 2000
DEADLINE_S = 60
POLL_S = 0.1
BEGAN = datetime.now(UTC) - timedelta(minutes=1)
Landed = Callable[[int], list[dict[str, Any]]]


@pytest.fixture(params=["wsgi", "asgi"])
def shared(request: pytest.FixtureRequest) -> Server:
    """The shared platform, under either kind of server."""
    return request.getfixturevalue("shared_server" if request.param == "wsgi" else "shared_asgi_server")


@pytest.fixture
def line(shared: Server) -> Iterator[str]:
    """The URL of a line to the server that loses replies."""
    with lossy_line(shared.url) as url:
        yield url


@pytest.fixture
def token(shared_platform: Platform) -> str:
    """A token that may write."""
    return shared_platform.token("write")


@pytest.fixture
def source() -> str:
    """That of the test's own records."""
    return f"source-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def landed(shared_platform: Platform, shared_server: Server, source: str) -> Landed:
    """Waits until so many records of the source have landed, and gives them, oldest first."""

    def wait(wanted: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + DEADLINE_S
        with shared_server.client(shared_platform.token("read", "write")) as client:
            while len(found := everything(client, source)) < wanted:
                assert time.monotonic() < deadline, f"{len(found)} of {wanted} landed"
                time.sleep(POLL_S)
        assert len(found) == wanted, "some are there twice"
        return sorted(found, key=lambda record: (record["timestamp"], record["id"]))

    return wait


def everything(client: httpx.Client, source: str) -> list[dict[str, Any]]:
    lines = client.get("/system/logs/export/", params={"source": source}).text.splitlines()
    return [record for record in map(json.loads, lines) if "message" in record]


@pytest.mark.filterwarnings("ignore:`LoggingHandler` in:DeprecationWarning")
def test_the_python_sdk_of_opentelemetry(line: str, token: str, source: str, landed: Landed) -> None:
    exporter = OTLPLogExporter(f"{line}/v1/logs", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    provider = LoggerProvider(resource=Resource.create({"service.name": source, "zone": "b"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_export_batch_size=400))
    logger = logging.Logger("billing")  # noqa: LOG001  (one that no other test sees)
    logger.addHandler(LoggingHandler(logger_provider=provider))
    for number in range(RECORDS):
        logger.warning("charge %d", number, extra={"order": number, "correlation_id": f"c-{number}"})
    provider.force_flush(60_000)
    provider.shutdown()
    records = landed(RECORDS)
    assert [record["message"] for record in records] == [f"charge {number}" for number in range(RECORDS)]
    last = records[-1]
    assert (last["level"], last["category"], last["correlation_id"]) == ("WARNING", "billing", f"c-{RECORDS - 1}")
    assert last["context"]["order"] == RECORDS - 1
    assert last["context"]["resource"]["zone"] == "b"


def test_the_client_of_elasticsearch(line: str, token: str, source: str, landed: Landed) -> None:
    from elasticsearch import Elasticsearch, helpers

    client = Elasticsearch(
        f"{line}/elastic", api_key=token, retry_on_timeout=True, max_retries=10, retry_on_status=(503,)
    )
    assert client.info()["version"]["number"].startswith("8.")
    documents = (
        {"_op_type": "create", "_index": f"{source}-2026.11.27", "_id": f"id-{number}", **document(number, source)}
        for number in range(RECORDS)
    )
    for ok, item in helpers.streaming_bulk(client, documents, chunk_size=300):
        assert ok, item
    assert client.index(index=source, id="one", document=document(RECORDS, source))["result"] == "created"
    client.close()
    check_documents(landed(RECORDS + 1))


def test_the_client_of_opensearch(line: str, token: str, source: str, landed: Landed) -> None:
    from opensearchpy import OpenSearch, helpers

    client = OpenSearch(
        f"{line}/elastic", http_auth=("any", token), max_retries=10, retry_on_timeout=True, retry_on_status=(503,)
    )
    documents = ({"_index": source, "_id": f"id-{number}", **document(number, source)} for number in range(RECORDS))
    count, errors = helpers.bulk(client, documents, chunk_size=300)
    assert (count, errors) == (RECORDS, [])
    client.close()
    check_documents(landed(RECORDS))


def document(number: int, source: str) -> dict[str, Any]:
    return {
        "@timestamp": (BEGAN + timedelta(milliseconds=number)).isoformat(),
        "message": f"charge {number}",
        "log": {"level": "warn", "logger": "billing"},
        "service": {"name": source},
        "trace": {"id": "ab" * 16},
        "order": number,
    }


def check_documents(records: list[dict[str, Any]]) -> None:
    for number, record in enumerate(records):
        assert record["message"] == f"charge {number}"
        assert record["timestamp"] == represent_time(BEGAN + timedelta(milliseconds=number))
    assert (record["level"], record["category"], record["trace_id"]) == ("WARNING", "billing", "ab" * 16)
    assert record["context"] == {"order": len(records) - 1}


@pytest.mark.parametrize("version", ["0", "1"])
def test_the_handler_of_python_logging_loki(
    version: str, shared: Server, token: str, source: str, landed: Landed
) -> None:
    """It tries nothing again, and takes no other answer than 204."""
    from logging_loki import LokiHandler

    failed: list[logging.LogRecord] = []
    url = f"{shared.url}/loki/api/v1/push"
    handler = LokiHandler(url, tags={"service": source}, auth=("any", token), version=version)
    handler.handleError = failed.append
    logger = logging.Logger("billing")  # noqa: LOG001  (one that no other test sees)
    logger.addHandler(handler)
    for number in range(50):
        logger.warning("charge %d", number, extra={"tags": {"order": str(number)}})
    handler.close()
    assert not failed
    records = landed(50)
    assert [record["message"] for record in records] == [f"charge {number}" for number in range(50)]
    assert {(record["level"], record["category"]) for record in records} == {("WARNING", "billing")}
    assert records[7]["context"]["order"] == "7"
