"""Acceptable ids, and the form of new ones."""

from __future__ import annotations

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.correlation import is_acceptable, new_id

ALPHABET = string.ascii_letters + string.digits + "._~+/=@:-"


@given(st.text(ALPHABET, min_size=1, max_size=200))
def test_ids_of_the_alphabet_up_to_200_characters_are_acceptable(value: str) -> None:
    assert is_acceptable(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 201, id="too long"),
        pytest.param("a b", id="blank"),
        pytest.param("a,b", id="two headers, joined"),
        pytest.param("a\n", id="trailing newline"),
        pytest.param("a\r\nSet-Cookie: b=c", id="response splitting"),
        pytest.param("ä", id="not ASCII"),
        pytest.param("a\x00", id="NUL"),
        pytest.param("٣", id="a digit, but not of ASCII"),
        pytest.param("<script>", id="markup"),
        pytest.param("%0d%0a", id="percent"),
        pytest.param("${jndi:x}", id="lookup"),
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    assert not is_acceptable(value)


def test_new_ids_are_uuids_of_version_4() -> None:
    made = {new_id() for _ in range(1000)}

    assert len(made) == 1000
    for value in made:
        parsed = uuid.UUID(value)
        assert (str(parsed), parsed.version, parsed.variant) == (value, 4, uuid.RFC_4122)
        assert is_acceptable(value)
