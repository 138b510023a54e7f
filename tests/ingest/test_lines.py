"""A record of a bulk is the same, whether its line is made in one pass or by the rules for a single record."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.ingest.lines import line_of
from systemlog.ingest.mapping import LineMaker
from systemlog.ingest.validation import InvalidRecord, read_record
from systemlog.records.copy_text import decode
from systemlog.records.fields import FIELDS
from systemlog.records.levels import LEVEL_NAMES

ID = str(uuid.UUID(int=7, version=4))
NOW = datetime.now(UTC).isoformat()

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)
texts = st.text(max_size=250) | st.sampled_from(["", " ", "\0", "\ud800", "token=hunter2hunter2", "a\\b", "é\n\t"])
plausible = st.fixed_dictionaries(
    {"message": texts},
    optional={
        "level": st.sampled_from([*LEVEL_NAMES, "info", "Info", "LOUD", ""]),
        "category": texts,
        "source": texts,
        "correlation_id": st.none() | texts,
        "user_id": st.none() | texts,
        "trace_id": st.none() | texts,
        "subject": st.none() | texts,
        "context": st.dictionaries(texts, anything, max_size=4),
    },
)
odd = st.dictionaries(st.sampled_from([*FIELDS, "recorded_by", "unknown"]), anything, max_size=6)


def outcome(make: Any, record: dict[str, Any]) -> Any:
    try:
        row = make(record)
    except InvalidRecord as refused:
        return refused.errors
    context = row.context if isinstance(row.context, dict) else json.loads(row.context)
    return row._replace(context=json.loads(json.dumps(context)))


@given(plausible | odd)
def test_one_pass_and_the_rules_agree(record: dict[str, Any]) -> None:
    record = {"id": ID, "timestamp": NOW} | record
    maker = LineMaker("writer")

    assert outcome(lambda each: decode(line_of(each, maker)), record) == outcome(
        lambda each: read_record(each, recorded_by="writer"), record
    )


@pytest.mark.parametrize("value", [{}, [], 0, False, 1.5, None])
@pytest.mark.parametrize("field", [*FIELDS])
def test_a_value_of_another_type_is_refused_or_taken_and_never_fails(field: str, value: object) -> None:
    maker = LineMaker("writer")
    errors = outcome(lambda each: decode(line_of(each, maker)), {"message": "m", field: value})
    assert not isinstance(errors, list) or {error.field for error in errors} == {field}
