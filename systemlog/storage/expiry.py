"""Expiry: which records of a span of time the retention policies remove. Pure rules, no database."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from enum import Enum


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
