"""Tests of the canonical form and the Merkle trees, which auditors compute from the documentation alone."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.digests.canonical import canonical_context, plain_number
from systemlog.digests.merkle import Path, Tree, leaf_hash, root_by_path

pytestmark = pytest.mark.any_database

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("15e-1", "1.5"),
        ("0.00", "0"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("-1E-7", "-0.0000001"),
        ("18446744073709551616", "18446744073709551616"),
        ("100", "100"),
        ("12.340e2", "1234"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("1e400", "1e400"),
        ("1e999999999999", "1e999999999999"),
        ("-25e-500", "-25e-500"),
    ],
)
def test_a_number_has_one_form(number: str, plain: str) -> None:
    assert plain_number(number) == plain


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_number_keeps_its_value(number: Decimal) -> None:
    assert Decimal(plain_number(str(number).replace("E+", "e"))) == number


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_a_context_has_one_form_however_it_is_written(context: dict[str, Any]) -> None:
    try:
        texts = [
            json.dumps(context, ensure_ascii=False),
            json.dumps(context, separators=(",", ":")),
            json.dumps(context, sort_keys=True, indent=1),
            json.dumps(dict(reversed(context.items())), ensure_ascii=False, separators=(",", ":")),
        ]
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        return
    forms = {canonical_context(text) for text in texts} | {canonical_context(texts[0], unique_keys=True)}
    assert len(forms) == 1
    form = forms.pop()
    assert json.loads(form, parse_int=float) == json.loads(texts[0], parse_int=float)
    assert canonical_context(form.decode()) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1}', '{"a":1.0000000000000000000001}'),
        ('{"a":12345678901234567890}', '{"a":12345678901234567891}'),
        ('{"a":0.1}', '{"a":0.10000000000000001}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"a" :1,"a":2}', '{"a":2}'),
        ('{"a": "b","a":2}', '{"a":2}'),
        (r'{"b\\":1,"a":1,"a":2}', r'{"b\\":1,"a":2}'),
        ('{"a":null}', "{}"),
        ('{"a":""}', '{"a":null}'),
        ('{"a":"1"}', '{"a":1}'),
        ("[1]", '{"a":1}'),
        ("no json", "no  json"),
        ('{"a":NaN}', '{"a":null}'),
    ],
)
def test_what_differs_has_another_form(one: str, other: str) -> None:
    assert canonical_context(one) != canonical_context(other)


def test_what_is_no_object_has_the_form_that_an_archive_gives_it() -> None:
    assert canonical_context("[1]") == canonical_context(json.dumps({"unreadable": "[1]"}))
    deep = "[" * 100_000
    assert canonical_context(deep) == canonical_context(json.dumps({"unreadable": deep}))


def reference_root(leaves: list[bytes]) -> bytes:
    """Compute the root literally as RFC 6962, section 2.1, defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


@pytest.mark.parametrize("count", [*range(20), 31, 32, 33, 64, 70])
def test_roots_and_paths_are_those_of_rfc_6962(count: int) -> None:
    leaves = [os.urandom(5) for _ in range(count)]
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf_hash(leaf))
    assert tree.root() == reference_root(leaves)
    for index in range(count):
        path = Path(index, count)
        for leaf in leaves:
            path.add(leaf_hash(leaf))
        hashes = path.hashes()
        assert root_by_path(leaf_hash(leaves[index]), index, count, hashes) == tree.root()
        assert root_by_path(leaf_hash(b"other!"), index, count, hashes) != tree.root()
        assert root_by_path(leaf_hash(leaves[index]), index, count, [*hashes, b"x" * 32]) is None
