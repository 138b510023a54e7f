"""Retention policies: which records are kept how long. Pure rules, no database.

A policy is an entry of `SYSTEMLOG["RETENTION"]`; the first one that a record fits decides about it. What no policy fits
is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from systemlog.durations import parse_duration

FOREVER = "forever"
KEYS = ("category", "level", "keep", "archive")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Records of these categories and levels (empty: of any) go when they are older than `keep`; None: never.

    A category that ends in `*` stands for all that begin so. With `archive`, records go into the archive first.
    """

    keep: timedelta | None
    categories: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    archive: bool = False

    @property
    def fits_all(self) -> bool:
        """Whether no policy behind this one is ever asked."""
        return not self.levels and (not self.categories or "*" in self.categories)


class Verdict(Enum):
    """What goes of the records of a span of time."""

    NOTHING = "nothing"
    SOME = "some"
    ALL = "all"


@dataclasses.dataclass(frozen=True, slots=True)
class Expiry:
    """Policies, in order, as they are at one instant."""

    policies: tuple[Policy, ...]
    now: datetime

    def cutoff(self, policy: Policy) -> datetime | None:
        """Records of this policy that are older go; None: they stay, whatever their age."""
        if policy.keep is None:
            return None
        try:
            return self.now - policy.keep
        except OverflowError:
            return None

    def verdict(self, lower: datetime, upper: datetime) -> Verdict:
        """What goes of the records from `lower` to before `upper`, as far as time alone tells it."""
        cutoffs = [self.cutoff(policy) for policy in self.policies]
        if all(cutoff is None or cutoff <= lower for cutoff in cutoffs):
            return Verdict.NOTHING
        if self.policies[-1].fits_all and all(cutoff is not None and upper <= cutoff for cutoff in cutoffs):
            return Verdict.ALL
        return Verdict.SOME

    def archives(self, lower: datetime) -> bool:
        """Whether records from `lower` on may go that are to be archived."""
        return any(
            policy.archive and (cutoff := self.cutoff(policy)) is not None and cutoff > lower
            for policy in self.policies
        )


def read_policies(given: Sequence[Mapping[str, Any]]) -> tuple[Policy, ...]:
    """The policies that the setting `RETENTION` holds. Raises `ValueError`, which says what is wrong with which."""
    policies: list[Policy] = []
    for number, entry in enumerate(given, 1):
        if policies and policies[-1].fits_all:
            raise ValueError(f"has entry {number} behind one that every record fits: it is never asked")
        try:
            policies.append(_read(entry))
        except ValueError as error:
            raise ValueError(f"has in entry {number} {error}") from None
    return tuple(policies)


def _read(entry: object) -> Policy:
    if not isinstance(entry, Mapping):
        raise ValueError("no dictionary")
    if unknown := [key for key in entry if key not in KEYS]:
        raise ValueError(f"the key {unknown[0]!r}, which is none of {', '.join(KEYS)}")
    levels = tuple(level.upper() for level in _names(entry, "level"))
    if wrong := [level for level in levels if level not in LEVELS]:
        raise ValueError(f"the level {wrong[0]!r}, which is none of {', '.join(LEVELS)}")
    archive = entry.get("archive", False)
    if not isinstance(archive, bool):
        raise ValueError("an 'archive' that is neither True nor False")
    return Policy(keep=_keep(entry.get("keep")), categories=_names(entry, "category"), levels=levels, archive=archive)


def _keep(given: object) -> timedelta | None:
    if given == FOREVER:
        return None
    try:
        keep = given if isinstance(given, timedelta) else parse_duration(given if isinstance(given, str) else "")
    except ValueError:
        keep = timedelta(0)
    if keep <= timedelta(0):
        raise ValueError("a 'keep' that is no span of time: write '3d', '12w', '7y' or 'forever'")
    return keep


def _names(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = entry.get(key, ())
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"a {key!r} that is neither a name nor a list of names")
    if key in entry and not names:
        raise ValueError(f"an empty list as {key!r}: leave the key out to mean any")
    return tuple(names)
