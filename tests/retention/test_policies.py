"""Retention policies: which entries are valid, and which records expire when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from systemlog.retention.policies import read_policies
from systemlog.storage.expiry import Expiry, Policy, Verdict

NOW = datetime(2026, 11, 26, tzinfo=UTC)
DAY = timedelta(days=1)


def test_entries_become_policies() -> None:
    given = [
        {"category": ["audit", "audit.*"], "keep": "7y", "archive": True},
        {"level": "debug", "keep": "3d"},
        {"keep": "forever"},
    ]
    assert read_policies(given) == (
        Policy(categories=("audit", "audit.*"), keep=7 * 366 * DAY, archive=True),
        Policy(levels=("DEBUG",), keep=3 * DAY),
        Policy(keep=None),
    )


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"keep": "30"}, "'keep'"),
        ({"keep": "0d"}, "'keep'"),
        ({}, "'keep'"),
        ({"keep": "3d", "levels": ["DEBUG"]}, "'levels'"),
        ({"keep": "3d", "level": "LOUD"}, "'LOUD'"),
        ({"keep": "3d", "level": []}, "'level'"),
        ({"keep": "3d", "category": 7}, "'category'"),
        ({"keep": "3d", "archive": "yes"}, "'archive'"),
        ("30d", "no dictionary"),
    ],
)
def test_what_is_wrong_with_an_entry_is_named_with_its_number(entry: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"entry 2 .*{wrong}"):
        read_policies([{"level": "DEBUG", "keep": "3d"}, entry])


@pytest.mark.parametrize("first", [{"keep": "30d"}, {"category": "*", "keep": "forever"}])
def test_an_entry_that_is_never_asked_is_an_error(first: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="never asked"):
        read_policies([first, {"level": "DEBUG", "keep": "3d"}])


DEBUG, AUDIT, REST = (
    Policy(levels=("DEBUG",), keep=3 * DAY),
    Policy(categories=("audit",), keep=2000 * DAY),
    Policy(keep=30 * DAY),
)


@pytest.mark.parametrize(
    ("policies", "age", "verdict"),
    [
        ([REST], 29, Verdict.NOTHING),
        ([REST], 30, Verdict.SOME),
        ([REST], 31, Verdict.ALL),
        ([DEBUG], 31, Verdict.SOME),
        ([DEBUG, REST], 3, Verdict.SOME),
        ([DEBUG, REST], 31, Verdict.ALL),
        ([DEBUG, AUDIT, REST], 31, Verdict.SOME),
        ([DEBUG, AUDIT, REST], 2001, Verdict.ALL),
        ([Policy(categories=("audit",), keep=None), REST], 2001, Verdict.SOME),
        ([Policy(keep=None)], 2001, Verdict.NOTHING),
    ],
)
def test_time_alone_tells_what_goes_of_a_day(policies: list[Policy], age: int, verdict: Verdict) -> None:
    lower = NOW - age * DAY - DAY / 2
    assert Expiry(tuple(policies), NOW).verdict(lower, lower + DAY) is verdict
