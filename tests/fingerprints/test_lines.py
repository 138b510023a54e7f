"""A line of the journal has the fingerprint of the record that it becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.fingerprints import lines
from systemlog.fingerprints.records import identify
from systemlog.records.copy_text import encode
from systemlog.records.ids import mint_id
from systemlog.records.row import Row
from tests.fingerprints.samples import CHANGES, SAMPLES

NOW = datetime(2026, 11, 27, tzinfo=UTC)

PIECES = [
    "Traceback (most recent call last):",
    '  File "/app/shop/views.py", line 3, in charge',
    '  File "C:\\app\\next\\views.py", line 4, in <lambda>',
    "    raise x",
    "ValueError: 3",
    "ValueError: \\",
    "shop.Refused",
    "During handling of the above exception, another exception occurred:",
    "  + Exception Group Traceback (most recent call last):",
    "\u2028",
    "\r",
    "",
    '"exception":',
    "new: x",
]
texts = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
).map("\n".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["exception", "a", "stack"]), inner),
    max_leaves=5,
)
contexts = st.dictionaries(st.sampled_from(["exception", "template", "stack", "order", "error"]), values)


def line_of(category: str, message: str, context: dict[str, Any]) -> bytes:
    return encode(Row(NOW, mint_id(NOW), "ERROR", category, "s", message, None, None, context, None, None, None))


def group_of(line: bytes) -> str:
    return lines.identity_of(line.split(b"\t")).id


@given(st.sampled_from(["a", "b\tc"]), texts, contexts)
def test_a_line_has_the_group_of_its_record(category: str, message: str, context: dict[str, Any]) -> None:
    assert group_of(line_of(category, message, context)) == identify(category, message, context).id


@given(st.lists(st.sampled_from(PIECES), min_size=1), st.lists(st.sampled_from(PIECES)), st.sampled_from(["c", "d"]))
def test_what_is_kept_of_one_line_is_right_for_the_next(head: list[str], tail: list[str], category: str) -> None:
    beginning = [PIECES[0], *head]
    for rest in ([], tail):
        context = {"n": 1, "exception": "\n".join([*beginning, *rest])}
        assert group_of(line_of(category, "m", context)) == identify(category, "m", context).id


@pytest.mark.parametrize("language", SAMPLES)
def test_a_storm_is_one_group(language: str) -> None:
    found = {group_of(line_of("c", "m", {"exception": SAMPLES[language].format(**change)})) for change in CHANGES * 2}
    assert len(found) == 1


def test_levels_below_error_have_no_group() -> None:
    found = {
        level: lines.is_grave(encode(Row(NOW, mint_id(NOW), level, "c", "s", "m", None, None, {}, None, None, None)))
        for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    }
    assert found == {"DEBUG": False, "INFO": False, "WARNING": False, "ERROR": True, "CRITICAL": True}
