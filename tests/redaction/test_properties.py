"""Properties for every input: the scan misses nothing, both engines agree, and the time is linear."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systemlog.redaction import Redactor
from tests.redaction.corpus import lookalikes, secrets
from tests.support.redaction import ENGINES

MIB = 2**20
PARTS = [secret.text for secret in secrets()][::7] + [text for _, text in lookalikes()][::17]
PARTS += [
    *"\"'\\/:=@[]{}.,- \t\n\r\x00\x1bé€😀",
    "\\n",
    "\\u0041",
    "\\u0009",
    "password",
    "Token",
    "auth",
    "Bearer ",
    "://",
    "eyJ",
]

texts = (
    st.lists(st.sampled_from(PARTS) | st.text(max_size=4), max_size=8)
    .map("".join)
    .filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text))
)
values = st.recursive(
    texts | st.integers(-(2**60), 2**60) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | inner.map(json.dumps)
        | inner.map(lambda value: json.dumps(value, ensure_ascii=False))
    ),
    max_leaves=6,
)


@given(values)
@settings(deadline=None, max_examples=200)
def test_what_the_scan_passes_is_not_changed_by_redaction(value) -> None:
    redactor = ENGINES["re2"]
    changed = redactor._walk(value, iter(range(1000))) != value

    for serialised in (
        orjson.dumps(value),
        json.dumps(value, ensure_ascii=False).encode(),
        json.dumps(value).encode(),
        orjson.dumps(json.dumps(value)),
    ):
        assert redactor.hits(serialised) or not changed


@given(values)
@settings(deadline=None, max_examples=100)
def test_both_engines_give_the_same(value) -> None:
    assert ENGINES["re"].value(value) == ENGINES["re2"].value(value)


@given(texts, st.sampled_from(list(secrets())), texts)
@settings(deadline=None, max_examples=100)
def test_a_secret_on_a_line_of_its_own_never_leaks(before: str, secret, after: str) -> None:
    redacted = ENGINES["re2"].value([f"{before}\n", secret.text, f"\n{after}"])

    assert secret.secret not in redacted[1]


HOSTILE: dict[str, Callable[[int], str]] = {
    "one word": lambda size: "a" * size,
    "heads of a JWT": lambda size: "eyJaaaaaa" * (size // 9),
    "heads of a JWT in pieces": lambda size: "eyJaaaaaa-." * (size // 11),
    "digits": lambda size: "4" * size,
    "digits in groups": lambda size: "4444 " * (size // 5),
    "keys": lambda size: "password" * (size // 8),
    "keys and signs": lambda size: "token='" * (size // 7),
    "keys and brackets": lambda size: "token=[" * (size // 7),
    "keys and brackets, each closed": lambda size: "token=[]" * (size // 8),
    "keys and quotes": lambda size: 'token="\\' * (size // 8),
    "a key and backslashes": lambda size: "token" + "\\" * size,
    "quoted backslashes": lambda size: 'token="' + "\\n" * (size // 2),
    "a key and spaces": lambda size: "token" + " " * size,
    "open URLs": lambda size: "://a:" * (size // 5),
    "one open URL": lambda size: "://" + "a:" * (size // 2),
    "escaped slashes": lambda size: ":" + "\\" * size,
    "begun private keys": lambda size: f"{'-' * 5}BEGIN PRIVATE KEY" * (size // 22),
    "bearers": lambda size: "bearer " * (size // 7),
    "a bearer of slashes": lambda size: "bearer " + "\\" * size,
    "basics": lambda size: "basic aaaa" * (size // 10),
    "escapes": lambda size: "\\u0041" * (size // 6),
    "opened arrays": lambda size: "[" * (size - 20) + "password=hunter2",
    "arrays of nothing": lambda size: "[" + "[]," * (size // 3) + '"password=hunter2"]',
    "quoted quotes": lambda size: "password=[" + "\"'" * (size // 2),
    "cookies": lambda size: "cookie:" * (size // 7),
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_mebibyte_is_scanned_in_50_ms(shape: str) -> None:
    data = orjson.dumps(HOSTILE[shape](MIB))

    assert _seconds(ENGINES["re2"].hits, data) < 0.05


@pytest.mark.parametrize("shape", HOSTILE)
def test_time_grows_with_the_length(redactor: Redactor, shape: str) -> None:
    """A text of 16 times the length takes about 16 times as long. Quadratic time would take 256 times as long."""
    small, large = 8 * 1024, 128 * 1024

    ratio = _seconds(redactor.text, HOSTILE[shape](large)) / max(_seconds(redactor.text, HOSTILE[shape](small)), 1e-4)

    assert ratio < 100


def _seconds(function: Callable[..., object], argument: object) -> float:
    """Return the processor time of one call in seconds, the best of three."""
    best = float("inf")
    gc.disable()  # the garbage collector would visit the objects of all other tests again and again
    try:
        for _ in range(3):
            begin = time.process_time()
            function(argument)
            best = min(best, time.process_time() - begin)
    finally:
        gc.enable()
    return best
