"""Redacting takes time linear in the length of a text, for every text."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.redaction import Redactor, redact_text
from systemlog.redaction.matchers import MATCHERS
from tests.redaction.corpus import secrets
from tests.redaction.hard_secrets import hard_secrets

SHORT, LONG = 8 * 1024, 128 * 1024
MOST = 4 * LONG / SHORT
"""The limit for the ratio of times for a text of 16 times the length. Quadratic time would make the ratio 256."""

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
    'mysql","',
    "'curl', '-u', ",
    '"kty":"oct",',
    '{"kty":"RSA","d":"',
    "secret: !a ",
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


def by_pattern() -> dict[str, str]:
    """For each kind of pattern, the first text of the corpora that it finds."""
    redactor = Redactor()
    found: dict[str, str] = {}
    for secret in (*hard_secrets(), *secrets()):
        hit = redactor._next(secret.text.encode(), 0)
        while hit is not None:
            found.setdefault(hit.lastgroup or "", secret.text)
            hit = redactor._next(secret.text.encode(), hit.end())
    return found


BY_PATTERN = by_pattern()


def test_the_corpora_have_a_text_for_each_pattern() -> None:
    assert set(BY_PATTERN) == set(MATCHERS)


@pytest.mark.parametrize("kind", MATCHERS)
def test_texts_of_what_each_pattern_finds_or_nearly_finds_take_no_square_either(kind: str) -> None:
    text = BY_PATTERN[kind]

    for unit in (text, text[: len(text) // 2], text[: len(text) * 3 // 4], text + "\n"):
        assert grows_with_length(unit)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(tuple(BY_PATTERN.values())), min_size=1, max_size=3), st.integers(3, 60))
def test_nor_do_mixtures_of_them_that_are_cut(texts: list[str], length: int) -> None:
    assert grows_with_length("".join(text[:length] for text in texts))


def test_what_one_record_may_take_is_bounded() -> None:
    """A text of the maximum length that consists of hits takes some 10 ms. Slow machines get ten times as long."""
    for kind, text in BY_PATTERN.items():
        assert seconds(text, 64 * 1024) < 0.2, kind
