"""Validation of one JSON object as a record."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systemlog.ingest.validation import InvalidRecord, read_record
from systemlog.records.ids import instant_of, mint_id
from systemlog.records.row import context_as_json
from systemlog.records.strict_json import Malformed, read_json
from systemlog.records.times import parse_timestamp
from systemlog.storage import Row

NOW = datetime.now(UTC)
RANDOM_ID = "62b6cd8a-fc82-4251-9a3e-0d2c1f5b8e11"
ID_OF_2999 = "1d8f0e2b-4400-7000-9c85-fdc1f6d6b2eb"
DEEP: dict[str, Any] = {}
for _ in range(20):
    DEEP = {"deeper": DEEP}


def refusal(given: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRecord) as caught:
        read_record(given)
    return [(error.field, error.code) for error in caught.value.errors]


def test_a_message_alone_makes_a_record() -> None:
    row = read_record({"message": "charge failed"}, correlation_id="c-1", recorded_by="shipper")
    assert row[2:] == ("INFO", "general", "", "charge failed", "c-1", None, {}, None, None, "shipper")
    assert instant_of(row.id) == row.timestamp
    assert abs(row.timestamp - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ([], [(None, "invalid")]),
        ("text", [(None, "invalid")]),
        (None, [(None, "invalid")]),
        ({}, [("message", "required")]),
        ({"message": None}, [("message", "null")]),
        ({"message": 5}, [("message", "invalid")]),
        ({"message": ["a"]}, [("message", "invalid")]),
        ({"message": ""}, [("message", "blank")]),
        ({"message": " \t\n"}, [("message", "blank")]),
        ({"message": "a\x00b"}, [("message", "invalid_characters")]),
        ({"message": "a\ud800b"}, [("message", "invalid_characters")]),
        ({"message": "ä" * 40_000}, [("message", "max_length")]),
        ({"message": "m", "level": "NOTICE"}, [("level", "invalid_choice")]),
        ({"message": "m", "level": 3}, [("level", "invalid_choice")]),
        ({"message": "m", "level": None}, [("level", "invalid_choice")]),
        ({"message": "m", "category": None}, [("category", "null")]),
        ({"message": "m", "category": " "}, [("category", "blank")]),
        ({"message": "m", "category": "c" * 201}, [("category", "max_length")]),
        ({"message": "m", "user_id": 7}, [("user_id", "invalid")]),
        ({"message": "m", "trace_id": {}}, [("trace_id", "invalid")]),
        ({"message": "m", "source": "\udfff"}, [("source", "invalid_characters")]),
        ({"message": "m", "context": []}, [("context", "invalid")]),
        ({"message": "m", "context": None}, [("context", "invalid")]),
        ({"message": "m", "context": {"a": [float("inf")]}}, [("context", "invalid")]),
        ({"message": "m", "context": {"a": {"\x00": 1}}}, [("context", "invalid_characters")]),
        ({"message": "m", "context": {"a": ["\ud800"]}}, [("context", "invalid_characters")]),
        ({"message": "m", "context": {"a": "x" * 66_000}}, [("context", "max_length")]),
        ({"message": "m", "context": DEEP}, [("context", "max_depth")]),
        ({"message": "m", "timestamp": 1700000000}, [("timestamp", "invalid")]),
        ({"message": "m", "timestamp": None}, [("timestamp", "invalid")]),
        ({"message": "m", "timestamp": "2026-11-24T08:30:00"}, [("timestamp", "invalid")]),
        ({"message": "m", "timestamp": "1969-12-31T23:59:59Z"}, [("timestamp", "past")]),
        ({"message": "m", "timestamp": "2999-01-01T00:00:00Z"}, [("timestamp", "future")]),
        ({"message": "m", "id": 5}, [("id", "invalid")]),
        ({"message": "m", "id": "{" + RANDOM_ID + "}"}, [("id", "invalid")]),
        ({"message": "m", "id": RANDOM_ID}, [("timestamp", "required")]),
        ({"message": "m", "id": ID_OF_2999}, [("id", "future")]),
        ({"message": "m", "recorded_by": "me"}, [("recorded_by", "read_only")]),
        ({"message": "m", "msg": "m", "lvl": 1}, [("msg", "unknown"), ("lvl", "unknown")]),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_no_record_is_refused_by_field_and_code(given: object, errors: list[tuple[str | None, str]]) -> None:
    assert refusal(given) == errors


def test_a_refusal_repeats_no_value_and_not_every_unknown_field() -> None:
    with pytest.raises(InvalidRecord) as caught:
        read_record({"message": "m", "level": "hunter2", **{f"{'x' * 500}{n}": "hunter2" for n in range(1000)}})
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 4000


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T08:30:00Z", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24t08:30:00z", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("2026-11-24 08:30:00+02:00", datetime(2026, 11, 24, 6, 30, tzinfo=UTC)),
        ("2026-11-24T08:30:00.5-01:30", datetime(2026, 11, 24, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-24T08:30:00.123456789Z", datetime(2026, 11, 24, 8, 30, 0, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-24T25:00:00Z", None),
        ("2026-11-24T08:30:00.Z", None),
        ("2026-11-24", None),
        ("20261124T083000Z", None),
        ("2026-W48-2T08:30:00Z", None),
        ("٢٠٢٦-11-24T08:30:00Z", None),
        ("", None),
    ],
)
def test_timestamps_are_those_of_rfc_3339(text: str, instant: datetime | None) -> None:
    assert parse_timestamp(text) == instant


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.integers(-1439, 1439))  # noqa: DTZ001  (the offset is drawn)
def test_every_instant_survives_its_iso_format(local: datetime, offset_minutes: int) -> None:
    instant = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert parse_timestamp(instant.isoformat()) == instant


@pytest.mark.parametrize("text", ["", "{", "NaN", "-Infinity", '{"a": 1} x', "[" * 100_000, "1" * 5000])
def test_what_is_no_json_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_json(text)


def test_a_uuid_of_version_7_brings_its_own_time() -> None:
    made = mint_id(NOW)
    assert read_record({"message": "m", "id": str(made)})[:2] == (NOW, made)
    assert read_record({"message": "m", "id": made.hex})[:2] == (NOW, made)


def test_any_other_id_is_taken_with_a_timestamp_beside_it() -> None:
    chosen = uuid.uuid4()
    row = read_record({"message": "m", "id": str(chosen), "timestamp": "2003-08-06T09:52:50Z"})
    assert row[:2] == (datetime(2003, 8, 6, 9, 52, 50, tzinfo=UTC), chosen)


def test_the_correlation_id_of_a_record_wins_and_null_means_none() -> None:
    assert read_record({"message": "m", "correlation_id": "own"}, correlation_id="request").correlation_id == "own"
    assert read_record({"message": "m", "correlation_id": None}, correlation_id="request").correlation_id is None
    assert read_record({"message": "m", "correlation_id": ""}, correlation_id="request").correlation_id is None


def test_an_archived_record_says_who_recorded_it_and_when() -> None:
    row = read_record({"message": "m", "timestamp": "2003-08-06T09:52:50Z", "recorded_by": "ops"}, archived=True)
    assert row.recorded_by == "ops"
    with pytest.raises(InvalidRecord, match="timestamp: This field is required"):
        read_record({"message": "m"}, archived=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=())), children),
    max_leaves=20,
)
fields = st.sampled_from(
    ["message", "level", "category", "context", "timestamp", "id", "user_id", "correlation_id", "source", "odd"]
)


@settings(max_examples=400)
@given(st.dictionaries(fields, json_values | st.just("ERROR") | st.just("2020-01-01T00:00:00Z")))
def test_any_object_is_a_storable_row_or_refused(given: dict[str, Any]) -> None:
    try:
        row = read_record(given)
    except InvalidRecord:
        return
    assert isinstance(row, Row)
    text = context_as_json(row.context) + row.message + row.category + (row.user_id or "")
    text.encode()
    assert "\x00" not in text
    assert "\\u0000" not in json.dumps(row.context)


def test_an_issued_token_stays_in_no_name_of_a_record() -> None:
    token = "gh" + "p_" + "A1b2" * 9
    names = dict.fromkeys(("category", "source", "user_id", "subject"), f"of {token}")

    row = read_record({"message": "x", **names})

    assert {getattr(row, name) for name in names} == {"of [redacted]"}
    assert read_record({"message": "x", "subject": "token: 4111111111111111"}).subject == "token: 4111111111111111"


def test_a_name_is_no_longer_than_it_may_be_once_it_is_redacted() -> None:
    text = ("://u:" + "p@ ") * 25

    assert read_record({"message": "x", "subject": text}).subject == text.replace("p@", "[redacted]@")[:200]
