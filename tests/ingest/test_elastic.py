"""Elasticsearch's bulk: actions, their items, identity, and what a bulk may look like."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.ingest.elastic import _Bulk
from systemlog.ingest.mapping import LineMaker
from systemlog.ingest.streams import BodyBroken, read_lines
from systemlog.models import SystemLog
from tests.support.elastic import NDJSON, NOW, TIME, lines

pytestmark = pytest.mark.django_db


Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]


def test_a_document_with_an_id_and_a_time_is_stored_once_and_answered_201_again(bulk: Send, stored: Stored) -> None:
    document = {"@timestamp": TIME, "message": "m"}
    for _ in range(2):
        assert bulk({"index": {"_id": "1"}}, document, {"create": {"_id": "2"}}, document) == [201, 201]
    assert len(stored()) == 2


def test_documents_without_an_id_are_all_kept(bulk: Send, stored: Stored) -> None:
    document = {"@timestamp": TIME, "message": "m"}
    bulk({"index": {}}, document, {"index": {}}, document)
    assert len(stored()) == 2


def test_items_stand_in_the_order_of_their_actions(bulk: Send, stored: Stored) -> None:
    statuses = bulk(
        {"index": {}, "attempts": 0},
        {"message": "first"},
        {"delete": {"_id": "1"}},
        {"create": {"_type": "_doc", "pipeline": "p"}},
        {"message": "second"},
        {"update": {"_id": "1"}},
        {"doc": {}},
        {"index": {}},
        b"no json",
        {"index": {}},
        {"@timestamp": "yesterday"},
        {"index": {}},
        {"@timestamp": "1969-12-31T23:59:59Z"},
        {"index": {}},
        {"@timestamp": (NOW + timedelta(hours=1)).isoformat()},
        {"index": {}},
        [],
        b"",
        {"index": {}},
        b'{"message": "third"}\r',
    )
    assert statuses == [201, 400, 201, 400, 400, 400, 400, 400, 400, 201]
    assert [record.message for record in stored()] == ["first", "second", "third"]


def test_an_action_without_an_index_is_refused_by_itself(bulk: Send) -> None:
    assert bulk({"index": {}}, {}, {"index": {"_index": "a"}}, {}, path="/elastic/_bulk") == [400, 201]
    assert bulk({"index": {}}, path="/elastic/a/_bulk") == [400]


@pytest.mark.parametrize("line", [b"no json", {"unknown": {}}, [], {"index": 1}])
def test_a_line_that_is_no_action_ends_the_bulk_and_what_came_before_is_kept(
    line: Any, send: Send, stored: Stored
) -> None:
    response = send("/elastic/a/_bulk", lines({"index": {}}, {"message": "kept"}, line, {"message": "m"}), NDJSON)
    assert response.status_code == 400
    assert response.json()["error"]["root_cause"][0].keys() == {"type", "reason"}
    assert [record.message for record in stored()] == ["kept"]


def test_an_empty_bulk_is_400(send: Send) -> None:
    for body in (b"", b"\n\r\n \n"):
        assert send("/elastic/_bulk", body, NDJSON).status_code == 400


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/x-ndjson; charset=utf-8",
        "application/vnd.elasticsearch+json;compatible-with=8",
        "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
    ],
)
def test_every_type_of_the_clients_is_taken(kind: str, send: Send, stored: Stored) -> None:
    body = lines({"index": {}}, {"message": "m"}).rstrip()
    response = send(
        "/elastic/a/_bulk/",
        gzip.compress(body),
        kind,
        method="PUT",
        headers={"Content-Encoding": "gzip", "Accept": kind},
    )
    assert response.status_code == 200
    assert response.headers["X-Elastic-Product"] == "Elasticsearch"
    assert response.headers["Content-Type"].startswith(("application/json", "application/vnd.elasticsearch+json"))
    assert len(stored()) == 1


def test_no_room_is_told_in_the_items_or_for_all(
    bulk: Send, send: Send, monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    room = 1

    def accept(taken: list[Any], writer: str) -> int:
        return min(room, len(taken))

    monkeypatch.setattr("systemlog.ingest.elastic.accept_lines", accept)
    assert bulk({"index": {}}, {}, {"index": {}}, {}, {"index": {}}, []) == [201, 429, 400]
    room = 0
    response = send("/elastic/a/_bulk", lines({"index": {}}, {}), NDJSON)
    assert response.status_code == 503
    assert response.headers["Retry-After"]


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b'{"index":{}}', b'{"delete":{}}', b'{"a":1}']))))
def test_any_lines_are_taken_or_refused(given_lines: list[bytes]) -> None:
    class Taken(_Bulk):
        def flush(self) -> None:
            self._waiting.clear()

    taken = Taken(LineMaker("user"), lambda size: None)
    with contextlib.suppress(BodyBroken):
        taken.read(read_lines(iter([b"\n".join(given_lines)]), 1000), "a")
    assert json.loads(b"[" + b",".join(taken.items) + b"]") is not None
