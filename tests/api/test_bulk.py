"""POST of many records: what is accepted, what is named, and which limits a body has."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from systemlog.journal import directory
from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

NDJSON = "application/x-ndjson"
JSON = "application/json"
Post = Callable[..., Any]


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps([{"message": "a"}, {"message": "b"}]), "application/json"),
        (lines({"message": "a"}, {"message": "b"}), NDJSON),
        (b'\n{"message": "a"}\r\n\r\n  {"message": "b"}', NDJSON),
        (b'\xef\xbb\xbf{"message": "a"}\n{"message": "b"}\n', "application/x-ndjson; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_bulk_is_an_array_or_lines_plain_or_gzip(post: Post, body: Any, content_type: str, encoded: bool) -> None:
    data = body.encode() if isinstance(body, str) else body
    headers = {"Content-Encoding": "gzip"} if encoded else {}
    response = post(gzip.compress(data) if encoded else data, content_type, **headers)
    assert response.status_code == 202
    assert response.json() == {"accepted": 2, "rejected": 0, "errors": []}
    assert set(SystemLog.objects.values_list("message", flat=True)) == {"a", "b"}


@pytest.mark.parametrize(("body", "content_type"), [(b"[]", "application/json"), (b"", NDJSON), (b"\n\n", NDJSON)])
def test_an_empty_bulk_is_a_bulk(post: Post, body: bytes, content_type: str) -> None:
    assert post(body, content_type).json() == {"accepted": 0, "rejected": 0, "errors": []}


def test_the_good_records_of_a_bulk_are_kept_and_the_bad_ones_named(post: Post) -> None:
    deep = b'{"message": "m", "context": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}"
    bad = [
        b"nonsense",
        b"5",
        b'{"message": ""}',
        b'{"message": "m", "odd": 1}',
        b'{"message": "a\\u0000b"}',
        b'{"message": "a\\ud800b"}',
        b'{"message": "\xff"}',
        deep,
        b'{"message": "m", "context": {"n": 1e999}}',
        b'{"message": "m", "context": {"n": NaN}}',
        b'{"message": "' + b"x" * 70_000 + b'"}',
        b'{"message": "' + b"x" * 2_000_000 + b'"}',
    ]
    good = [b'{"message": "good"}'] * 990
    body = b"\n".join(good[:500] + bad + good[500:])
    response = post(body, NDJSON)
    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["rejected"]) == (990, len(bad))
    assert [each["index"] for each in answer["errors"]] == list(range(500, 500 + len(bad)))
    assert all(error["detail"] and error["code"] and error["pointer"].startswith(f"#/{each['index']}")
               for each in answer["errors"] for error in each["errors"])  # fmt: skip
    assert SystemLog.objects.count() == 990


def test_an_element_that_json_has_no_value_for_spoils_no_other(post: Post) -> None:
    deep = b"[" * 10_000 + b'"]],"' + b"]" * 10_000
    response = post(b'[{"message":"a"}, ' + deep + b', {"message": "b", "context": {"n": NaN}}, {"message":"c"}]')
    assert response.json()["accepted"] == 2
    assert [each["index"] for each in response.json()["errors"]] == [1, 2]


def test_no_more_than_a_hundred_bad_records_are_named(post: Post) -> None:
    answer = post(b"{}\n" * 250, NDJSON).json()
    assert (answer["accepted"], answer["rejected"], len(answer["errors"])) == (0, 250, 100)


def test_repeated_ids_of_a_bulk_count_as_accepted_and_are_stored_once(post: Post) -> None:
    sent = [{"message": "m", "id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z"} for _ in range(30)]
    for _ in range(2):
        assert post([*sent, *sent]).json()["accepted"] == 60
    assert SystemLog.objects.count() == 30


def test_a_record_of_a_bulk_whose_key_another_writer_took_goes_to_quarantine(
    post: Post, client_with: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    key = {"id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z"}
    assert client_with("add").post("/system/logs/", {**key, "message": "silenced"}, JSON).status_code == 201
    answer = post([{**key, "message": "silenced"}, {"message": "other"}])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert SystemLog.objects.get(id=key["id"]).recorded_by == "add"
    assert [record.levelname for record in caplog.records if record.name == "systemlog.landing"] == ["WARNING"]
    assert directory.count_quarantined(directory.target_folder()) == 1


def test_a_single_record_may_come_again_in_a_bulk(post: Post) -> None:
    record = {"id": str(uuid.uuid4()), "timestamp": "2020-01-01T00:00:00Z", "message": "m", "context": {"n": 1.5e300}}
    assert [post(record).status_code, post([record]).status_code] == [201, 202]
    assert SystemLog.objects.get(id=record["id"]).correlation_id
    assert directory.count_quarantined(directory.target_folder()) == 0


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "kept"),
    [
        (b'[{"message": "a"}, {"message": "b"}, {"mess', "application/json", None, 2),
        (b'[{"message": "a"} {"message": "b"}]', "application/json", None, 1),
        (b'[{"message": "a"}, oops, {"message": "b"}]', "application/json", None, 1),
        (b'[{"message": "a"}] tail', "application/json", None, 1),
        (b'[{"message": "a"},]', "application/json", None, 1),
        (b"[", "application/json", None, 0),
        (b"", "application/json", None, 0),
        (b'{"message": "a"', "application/json", None, 0),
        (b'{"message": "a"} {"message": "b"}', "application/json", None, 0),
        (b"[" * 100_000, "application/json", None, 0),
        (b"\x1f\x8b is no gzip", NDJSON, "gzip", 0),
        (b"", NDJSON, "gzip", 0),
        (gzip.compress(lines(*[{"message": "m" * 90}] * 3000), 0, mtime=0)[:-200_000], NDJSON, "gzip", 1),
        (gzip.compress(b'{"message": "a"}\n', mtime=0) + b"garbage", NDJSON, "x-gzip", 1),
    ],
)
def test_a_body_that_breaks_off_keeps_what_came_before(
    post: Post, body: bytes, content_type: str, encoding: str | None, kept: int
) -> None:
    response = post(body, content_type, **({"Content-Encoding": encoding} if encoding else {}))
    assert response.status_code == 400
    problem = response.json()
    assert problem["status"] == 400
    assert problem["accepted"] == SystemLog.objects.count()
    whole_batches_only = len(body) > 10_000
    assert problem["accepted"] == kept or (whole_batches_only and problem["accepted"] > kept)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/plain", None),
        ("application/x-www-form-urlencoded", None),
        ("multipart/form-data; boundary=x", None),
        ("", None),
        ("application/json", "br"),
        (NDJSON, "deflate"),
    ],
)
def test_another_type_or_encoding_is_415(post: Post, content_type: str, encoding: str | None) -> None:
    response = post(b'{"message": "m"}', content_type, **({"Content-Encoding": encoding} if encoding else {}))
    assert response.status_code == 415
    assert response.json()["status"] == 415
    assert not SystemLog.objects.exists()


def test_a_body_beyond_ten_mebibytes_is_413(post: Post) -> None:
    body = (b'{"message": "' + b"m" * 60_000 + b'"}\n') * 200
    response = post(body[: 10 * 2**20 + 1], NDJSON)
    assert response.status_code == 413
    assert response.json()["accepted"] == SystemLog.objects.count() == 0
    assert post(body[: 10 * 2**20], NDJSON).status_code == 202
    assert post(b'{"message": "m", "x": "' + b"x" * 10 * 2**20 + b'"}').status_code == 413


def test_a_gzip_bomb_is_413(post: Post, settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "MAX_DECODED_BYTES": 2**20}
    bomb = gzip.compress((b'{"message": "' + b"m" * 6000 + b'"}\n') * 5000)
    response = post(bomb, NDJSON, **{"Content-Encoding": "gzip"})
    assert response.status_code == 413
    assert response.json()["accepted"] == SystemLog.objects.count()


def test_a_message_of_exactly_64_kib_is_taken(post: Post) -> None:
    assert post({"message": "ä" * 32 * 1024}).status_code == 201
    assert post({"message": "ä" * 32 * 1024 + "a"}).status_code == 400


def test_a_small_body_of_brackets_costs_little(post: Post) -> None:
    bomb = gzip.compress(b"[" * 1_126_400)
    began = time.process_time()
    assert post(bomb, **{"Content-Encoding": "gzip"}).status_code == 400
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"[" + b"1," * 1_000_000 + b"1]", "application/json"), (b"1\n" * 1_000_000, NDJSON)]
)
def test_a_bulk_of_nothing_but_bad_records_is_not_read_to_its_end(post: Post, body: bytes, content_type: str) -> None:
    began = time.process_time()
    response = post(gzip.compress(body), content_type, **{"Content-Encoding": "gzip"})
    assert time.process_time() - began < 2
    assert response.status_code == 400
    assert response.json()["accepted"] == 0
    assert "10000" in response.json()["detail"]


def test_good_records_before_too_many_bad_ones_are_kept(post: Post) -> None:
    response = post(b'{"message": "good"}\n' + b"1\n" * 10_001, NDJSON)
    assert response.status_code == 400
    assert response.json()["accepted"] == 1
    assert SystemLog.objects.filter(message="good").count() == 1


@pytest.mark.parametrize("closing", [b"]" * 70_000, b"]" * 69_999 + b" ]"])
def test_a_record_nested_too_deep_ends_where_its_brackets_do(post: Post, closing: bytes) -> None:
    response = post(b"[" + b"[" * 70_000 + closing + b', {"message": "b"}]')
    assert (response.json()["accepted"], response.json()["rejected"]) == (1, 1)
    response = post(b'[{"message": "a"}, ' + b"[" * 70_000 + closing + b"]")
    assert (response.json()["accepted"], response.json()["rejected"]) == (1, 1)
