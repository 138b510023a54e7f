"""Which form an Accept header asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.accept import choose

OFFERED = ("application/json", "text/plain", "application/openmetrics-text")


@given(st.text())
def test_any_header_is_understood_somehow(header: str) -> None:
    assert choose(header, OFFERED) in OFFERED


@given(st.lists(st.sampled_from(["text/plain", "*/*", "text/*", ";", "q=", "q=1", "q=nan", ",", " ", "=", "1e9"])))
def test_any_header_of_the_right_pieces_too(pieces: list[str]) -> None:
    assert choose("".join(pieces), OFFERED) in OFFERED


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", "application/json"),
        ("image/png", "application/json"),
        ("TEXT/PLAIN", "text/plain"),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.6", "application/openmetrics-text"),
        ("text/*;q=0.9, text/plain;q=0.1, application/json;q=0.5", "application/json"),
        ("application/json;q=0, */*;q=0.1", "text/plain"),
    ],
    ids=[
        "none",
        "none that is offered",
        "in capitals",
        "by quality",
        "the most specific range decides",
        "not this one",
    ],
)
def test_the_form_that_is_wanted_most(header: str, wanted: str) -> None:
    assert choose(header, OFFERED) == wanted
