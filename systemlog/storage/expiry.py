"""Expiry: which records of a span of time the retention policies delete. Pure rules, no database."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from enum import Enum


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Deletes records of these categories and levels when they are older than `keep`, or never if `keep` is None.

    An empty tuple matches every category or level. A category that ends in `*` matches every category with that prefix.
    With `archive`, records are archived before they are deleted.
    """

    keep: timedelta | None
    categories: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    archive: bool = False

    @property
    def fits_all(self) -> bool:
        """Whether the policy matches every record, so that no later policy is ever used."""
        return not self.levels and (not self.categories or "*" in self.categories)


class Verdict(Enum):
    """Which records of a span of time expire."""

    NOTHING = "nothing"
    SOME = "some"
    ALL = "all"


@dataclasses.dataclass(frozen=True, slots=True)
class Expiry:
    """Retention policies, in order, applied at one instant."""

    policies: tuple[Policy, ...]
    now: datetime

    def cutoff(self, policy: Policy) -> datetime | None:
        """Return the instant before which records of this policy expire, or None if they never do."""
        if policy.keep is None:
            return None
        try:
            return self.now - policy.keep
        except OverflowError:
            return None

    def verdict(self, lower: datetime, upper: datetime) -> Verdict:
        """Return which records from `lower` until before `upper` expire, judged by their time alone."""
        cutoffs = [self.cutoff(policy) for policy in self.policies]
        if all(cutoff is None or cutoff <= lower for cutoff in cutoffs):
            return Verdict.NOTHING
        if self.policies[-1].fits_all and all(cutoff is not None and upper <= cutoff for cutoff in cutoffs):
            return Verdict.ALL
        return Verdict.SOME

    def archives(self, lower: datetime) -> bool:
        """Whether records from `lower` on may expire that must be archived first."""
        return any(
            policy.archive and (cutoff := self.cutoff(policy)) is not None and cutoff > lower
            for policy in self.policies
        )
