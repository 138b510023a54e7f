"""Redacting takes time in proportion to the length of a text, whatever stands in it."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.redaction import redact_text

SHORT, LONG = 8 * 1024, 128 * 1024
MOST = 4 * LONG / SHORT
"""How many times as long a text of 16 times the length may take: 256 times would be the square."""

UNITS = (
    "token::",
    "cookie== ",
    "token:a\\n",
    "password:x\\t",
    "authorization: digest a\\n",
    "authorization:a\\n",
    "://a:token::",
    "secret=[",
    "secret=(x",
    "bearer ",
    "bearer aaaaaaaa\\n",
    "eyJaaaaaaaaaaaaaaaaaa ",
    "basic aaaa ",
    "token: none ",
    "token='",
    "token=\\'",
    "cookie: a\\n",
    "-----BEGIN PRIVATE KEY",
    "token:\\\\n",
    "token=***",
    '{"token::',
    '["cookie== ',
    "4111111111111112 ",
    "://u:p@",
    "://u:",
    "password  ",
    "\\u0041",
    'pwd:\\"a',
)


def seconds(unit: str, length: int) -> float:
    text = (unit * (length // len(unit) + 1))[:length]
    took = []
    for _ in range(3):
        before = time.thread_time()
        redact_text(text)
        took.append(time.thread_time() - before)
    return min(took)


def grows_with_length(unit: str) -> bool:
    return seconds(unit, LONG) <= MOST * max(seconds(unit, SHORT), 0.0005)


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_of_hits_takes_no_square_of_its_length(unit: str) -> None:
    assert grows_with_length(unit)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from((*UNITS, " ", "\n", "a" * 40, '"', "\\", "=", ":")), min_size=2, max_size=6))
def test_mixtures_of_them_do_not_either(units: list[str]) -> None:
    assert grows_with_length("".join(units))
