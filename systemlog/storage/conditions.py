"""SQL conditions that select expired rows, valid on both PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sized
from datetime import datetime
from typing import Any, NamedTuple

from systemlog.storage.expiry import Expiry, Policy

NOTHING, ALL = "FALSE", "TRUE"


class Condition(NamedTuple):
    """An SQL condition on the columns of `system_logs`, with the values of its placeholders."""

    sql: str
    values: list[Any]


def expired(expiry: Expiry, adapt: Callable[[datetime], Any], *, archived_only: bool = False) -> Condition:
    """Return the condition of rows that are older than the first policy that matches them allows.

    With `archived_only`, it selects only those that this policy archives. `adapt` converts an instant for the database
    driver.
    """
    branches: list[str] = []
    values: list[Any] = []
    for policy in expiry.policies:
        fits = _fits(policy)
        cutoff = expiry.cutoff(policy)
        branches.append(f"WHEN {fits.sql} THEN ")
        values += fits.values
        if cutoff is None or (archived_only and not policy.archive):
            branches[-1] += NOTHING
        else:
            branches[-1] += "timestamp < %s"
            values.append(adapt(cutoff))
    return Condition(f"CASE {' '.join(branches)} ELSE {NOTHING} END", values)


def _fits(policy: Policy) -> Condition:
    parts: list[str] = []
    values: list[Any] = []
    if policy.levels:
        parts.append(f"level IN ({_marks(policy.levels)})")
        values += policy.levels
    if policy.categories:
        exact = [name for name in policy.categories if not name.endswith("*")]
        beginnings = [name.removesuffix("*") for name in policy.categories if name.endswith("*")]
        either = [f"category IN ({_marks(exact)})"] if exact else []
        either += ["substr(category, 1, %s) = %s"] * len(beginnings)
        parts.append(f"({' OR '.join(either)})")
        values += exact
        for beginning in beginnings:
            values += [len(beginning), beginning]
    return Condition(" AND ".join(parts) or ALL, values)


def _marks(values: Sized) -> str:
    return ", ".join(["%s"] * len(values))
