"""Releases: whether a record comes from a release that is older than the one in which its error was resolved."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_RELEASES = 10
"""The number of releases that a group keeps: the last ones that were seen."""

_version = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)(.*)", re.DOTALL)
_longest = 18


def is_older(release: str | None, resolved_in: str | None, known: Sequence[str]) -> bool:
    """Whether a release is older than the release with the correction (`resolved_in`).

    Version numbers are compared as versions. A release with another kind of name is older if it had the error before
    (`known`). A record without a release counts as a record of a new one.
    """
    if release is None or resolved_in is None or release == resolved_in:
        return False
    mine, corrected = _numbers(release), _numbers(resolved_in)
    if mine is not None and corrected is not None:
        return mine < corrected
    return release in known


def with_release(releases: Sequence[str], release: str | None) -> list[str]:
    """Return the releases with one added. If there are more than `MAX_RELEASES`, the oldest is dropped."""
    if release is None or release in releases:
        return list(releases)
    return [*releases, release][-MAX_RELEASES:]


def completed(releases: Sequence[str], stored: Sequence[str], *, keeps: bool) -> list[str]:
    """Return the releases of a group, corrected by those of its stored records, which are in the order of time.

    A release without a stored record is dropped unless the group `keeps` what it knew of records that were deleted. A
    full list is complete: which ten releases were the last ones depends on the order in which their records landed.
    """
    found = [release for release in releases if keeps or release in stored]
    room = MAX_RELEASES - len(found)
    missing = [release for release in stored if release not in found]
    return [*found, *missing[-room:]] if room > 0 else found


def _numbers(release: str) -> tuple[int, ...] | None:
    """Return the numbers of a version such as `v1.20.3`; None for any other name and for a version with a suffix."""
    match = _version.fullmatch(release)
    if match is None or match[2] or any(len(number) > _longest for number in match[1].split(".")):
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
