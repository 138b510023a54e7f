"""Templates: messages of one place in the code are one group."""

from __future__ import annotations

import time

import pytest

from systemlog.fingerprints.records import identify
from systemlog.fingerprints.templates import mask


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("order 7 was refused", "order * was refused"),
        ("order 9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d gone", "order * gone"),
        ("connection from 10.0.0.1:5432 lost", "connection from * lost"),
        ("at 0xdeadbeef1", "at *"),
        ("retry 1, 2, 3 of 4", "retry * of *"),
        ("user=anna state=open", "user=* state=*"),
        ('name="Anna Zoë" failed', "name=* failed"),
        ("synchronized to LOCAL(0), stratum 10", "synchronized to *, stratum *"),
        ("GET /orders/17/items?page=2 took 3ms", "GET *?page=* took *"),
        ("nothing to hide", "nothing to hide"),
        ("", ""),
    ],
)
def test_values_are_masked(message: str, template: str) -> None:
    assert mask(message) == template


def test_a_template_from_the_logger_counts_more_than_the_mask() -> None:
    context = {"template": "charge %s of %s failed"}
    one, two = (identify("c", f"charge {word} of Anna failed", context) for word in ("first", "second"))
    assert one == two
    assert one.title == "charge %s of %s failed"


def test_other_categories_are_other_groups() -> None:
    assert identify("a", "m", {}).id != identify("b", "m", {}).id


@pytest.mark.parametrize(
    "message", ["a" * 65_000, "a(" * 30_000, "a(1" * 20_000, "*" * 60_000, "* " * 30_000, '="' * 30_000, "a=" * 30_000]
)
def test_hostile_messages_are_masked_in_linear_time(message: str) -> None:
    began = time.process_time()
    mask(message)
    assert time.process_time() - began < 0.5
