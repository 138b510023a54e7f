"""Elasticsearch: how a document becomes a record, single documents, and what clients ask before they send."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from systemlog.journal.ecs import ECSFormatter
from systemlog.models import SystemLog
from tests.support.elastic import NOW, TIME

pytestmark = pytest.mark.django_db


Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]


def test_a_nested_and_a_dotted_document_are_the_same_record(bulk: Send, stored: Stored) -> None:
    nested = {
        "@timestamp": TIME,
        "message": "charge failed",
        "log": {"level": "Err", "logger": "billing", "origin": {"line": 7}},
        "service": {"name": "shop", "version": "1"},
        "trace": {"id": "abc"},
        "span": {"id": "def"},
        "user": {"id": 42},
        "http": {"request": {"id": "r-1"}},
        "order": 7,
        "password": "hunter2",
    }
    dotted = {
        "@timestamp": TIME,
        "message": "charge failed",
        "log.level": "error",
        "log.logger": "billing",
        "log.origin.line": 7,
        "service.name": "shop",
        "trace.id": "abc",
        "user.id": "42",
        "http.request.id": "r-1",
        "order": 7,
    }
    assert bulk({"create": {}}, nested, {"index": {"_index": "other"}}, dotted) == [201, 201]
    for record in stored():
        assert record.timestamp == NOW
        assert (record.level, record.category, record.source) == ("ERROR", "billing", "shop")
        assert (record.trace_id, record.user_id, record.correlation_id) == ("abc", "42", "r-1")
        assert record.context["order"] == 7
        assert record.message == "charge failed"
    contexts = [record.context for record in stored()]
    assert {
        "log": {"origin": {"line": 7}},
        "service": {"version": "1"},
        "span_id": "def",
        "order": 7,
        "password": "[redacted]",
    } in contexts
    assert {"log.origin.line": 7, "order": 7} in contexts


@pytest.mark.parametrize(
    ("document", "column", "value"),
    [
        ({"msg": "a"}, "message", "a"),
        ({"log": "a line\n"}, "message", "a line\n"),
        ({"event": {"original": "raw"}}, "message", "raw"),
        ({"n": 1}, "message", '{"n":1}'),
        ({"message": "a\ud800b"}, "message", "a\ufffdb"),
        ({"level": 30}, "level", "INFO"),
        ({"level": 50}, "level", "ERROR"),
        ({"level": "60"}, "level", "CRITICAL"),
        ({"severity": "EMERG"}, "level", "CRITICAL"),
        ({"severity": "notice"}, "level", "INFO"),
        ({"level": "loud"}, "level", "INFO"),
        ({"logger": "x.y"}, "category", "x.y"),
        ({"data_stream": {"dataset": "nginx"}}, "category", "nginx"),
        ({}, "category", "app"),
        ({"host": "h"}, "source", "h"),
        ({"host": {"name": "h"}}, "source", "h"),
        ({"hostname": "h", "host": "other"}, "source", "h"),
        ({"request_id": "r"}, "correlation_id", "r"),
        ({}, "correlation_id", None),
        ({"timestamp": int(NOW.timestamp() * 1000)}, "timestamp", NOW.replace(microsecond=123000)),
        ({"time": str(int(NOW.timestamp() * 1000))}, "timestamp", NOW.replace(microsecond=123000)),
        ({"n": float("nan")}, "context", {"n": "NaN"}),
        ({"n": 10**30}, "context", {"n": 10**30}),
    ],
)
def test_where_each_column_comes_from(
    document: dict[str, Any], column: str, value: Any, bulk: Send, the_record: Callable[[], SystemLog]
) -> None:
    assert bulk({"create": {}}, document, path="/elastic/app-2026.11.27/_bulk") == [201]
    assert getattr(the_record(), column) == value


def test_what_is_too_long_is_cut_and_says_so(bulk: Send, the_record: Callable[[], SystemLog]) -> None:
    bulk({"index": {}}, {"message": "x" * 3_000_000, "big": "y" * 3_000_000, "small": 1, "user": {"id": "u" * 500}})
    record = the_record()
    assert record.message == "x" * 65536
    assert record.context["truncated"] > 6_000_000
    assert record.context["small"] == 1
    assert record.user_id == "u" * 200


@pytest.mark.parametrize(
    "document",
    [
        {"small": 1, "many": [{}] * 300_000},
        {"small": 1, **{f"key-{number}": {"n": number} for number in range(50_000)}},
        {"small": 1, "text": "x" * 1_000_000, "password": "hunter2"},
        {"small": 1, "surrogate": "\ud800" * 200_000},
    ],
    ids=["a long list", "many keys", "a long text", "surrogates"],
)
def test_a_very_large_document_is_cut_soon_and_says_so(
    document: dict[str, Any], bulk: Send, the_record: Callable[[], SystemLog]
) -> None:
    began = time.process_time()
    assert bulk({"index": {}}, {"message": "m", **document}) == [201]
    assert time.process_time() - began < 3
    record = the_record()
    assert record.context["truncated"] > 500_000
    assert record.context["small"] == 1
    assert "hunter2" not in json.dumps(record.context)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/elastic/a/_doc", "POST"),
        ("/elastic/a/_doc/1", "PUT"),
        ("/elastic/a/_create/1", "PUT"),
        ("/elastic/a/_create/1/", "POST"),
    ],
)
def test_a_single_document(path: str, method: str, send: Send, stored: Stored) -> None:
    response = send(path, json.dumps({"message": "m", "@timestamp": TIME}).encode(), method=method)
    assert response.status_code == 201
    assert response.json() | {"_index": "a", "result": "created"} == response.json()
    assert len(stored()) == 1
    assert send(path, b"[]", method=method).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["", "/", "/_license", "/_xpack", "/_cluster/health", "/_ilm/policy/x", "/_index_template/x", "/_template/x"],
)
def test_what_clients_ask_before_they_send(path: str, send: Send) -> None:
    for method in ("GET", "HEAD"):
        response = send(f"/elastic{path}", method=method)
        assert response.status_code == 200
        assert response.headers["X-Elastic-Product"] == "Elasticsearch"


def test_setting_up_does_nothing_and_the_rest_is_404(send: Send, new_token: Callable[..., str]) -> None:
    for path in ("_index_template/a", "_ilm/policy/b", "_ingest/pipeline/c", "_data_stream/d", "_template/e"):
        assert send(f"/elastic/{path}", b"{}", method="PUT").json() == {"acknowledged": True}
    assert send("/elastic/a/_refresh").status_code == 200
    for path in ("_search", "a/_search", "a", "_nodes", "a/_create"):
        response = send(f"/elastic/{path}", method="GET")
        assert response.status_code == 404
        assert response.json()["status"] == 404
    assert send("/elastic/", method="GET", token=new_token("view")).status_code == 200
    assert send("/elastic/a/_bulk", method="GET").status_code == 405


def test_lines_of_stdout_become_the_records_that_the_log_has(
    bulk: Send, journal: Any, db: None, stored: Stored, folder: Any
) -> None:
    from systemlog.journal import SystemLogHandler
    from systemlog.landing import Lander

    written: list[str] = []

    class Stdout(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(ECSFormatter().format(record))

    logger = logging.Logger("billing.charges")  # noqa: LOG001  (a logger that no other test sees)
    logger.addHandler(Stdout())
    logger.addHandler(SystemLogHandler())
    logger.warning("order %d", 7, extra={"order": 7, "correlation_id": "c-1", "user_id": "42", "trace_id": "ab" * 16})
    logger.info("odd names", extra={"user": "bob", "time": "late", "level": 3, "log.level": "x", "nested": {"a": [1]}})
    logger.error("password=hunter2", extra={"request_id": "theirs", "host": {"name": "h"}, "big": 10**30})
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("failed")
    own = list(SystemLog.objects.none())
    Lander(folder).land_all()
    own = list(SystemLog.objects.filter(category="billing.charges", recorded_by=None).order_by("timestamp"))
    assert len(own) == 4
    assert bulk(*(each for line in written for each in ({"create": {}}, line.encode()))) == [201] * 4
    columns = ("level", "category", "message", "trace_id", "correlation_id", "user_id", "source", "context")
    back = stored()
    assert [[getattr(record, name) for name in columns] for record in back] == [
        [getattr(record, name) for name in columns] for record in own
    ]
    assert json.loads(written[3])["error.type"] == "ValueError"
