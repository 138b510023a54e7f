"""Releases: whether a record comes from a release that is older than the one in which its error was resolved."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_RELEASES = 10
"""Releases of a group that are kept, the last ones that were seen."""

_version = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)(.*)", re.DOTALL)
_longest = 18


def is_older(release: str | None, resolved_in: str | None, known: Sequence[str]) -> bool:
    """Whether the release comes before the one with the correction.

    Numbers are compared as versions. Of other names, those that had the error before it was resolved (`known`) are
    older. A record without a release may come from any, and is not taken for an old one.
    """
    if release is None or resolved_in is None or release == resolved_in:
        return False
    mine, corrected = _numbers(release), _numbers(resolved_in)
    if mine is not None and corrected is not None:
        return mine < corrected
    return release in known


def with_release(releases: Sequence[str], release: str | None) -> list[str]:
    """Return the releases with one more, without the oldest where there are too many."""
    if release is None or release in releases:
        return list(releases)
    return [*releases, release][-MAX_RELEASES:]


def _numbers(release: str) -> tuple[int, ...] | None:
    """Return the numbers of a version such as `v1.20.3`, None for any other name, and for one with a suffix."""
    match = _version.fullmatch(release)
    if match is None or match[2] or any(len(number) > _longest for number in match[1].split(".")):
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
