"""Reads the retention policies of `SYSTEMLOG["RETENTION"]`.

The first policy that matches a record decides when the record is deleted. A record that no policy matches is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from systemlog.records.durations import parse_duration
from systemlog.records.levels import LEVEL_NAMES
from systemlog.storage.expiry import Policy

FOREVER = "forever"
KEYS = ("category", "level", "keep", "archive")

AUDIT = "audit."
"""The prefix of the categories of audit records."""

AUDIT_KEEP = parse_duration("7y")
"""How long audit records are kept if no policy names their categories."""


def read_policies(given: Sequence[Mapping[str, Any]]) -> tuple[Policy, ...]:
    """Return the policies of the setting `RETENTION`. Raises `ValueError`, which names the entry and its mistake."""
    policies: list[Policy] = []
    for number, entry in enumerate(given, 1):
        if policies and policies[-1].fits_all:
            raise ValueError(f"has entry {number} behind one that every record fits: it is never asked")
        try:
            policies.append(_read(entry))
        except ValueError as error:
            raise ValueError(f"has in entry {number} {error}") from None
    return tuple(policies)


def policies_in_force(policies: Sequence[Policy], archive_dir: str) -> tuple[Policy, ...]:
    """Put the policy of audit records before the first policy that would decide about them without naming them.

    Audit records are archived before they are deleted; without a directory for archives they are kept.
    """
    place = next((place for place, policy in enumerate(policies) if _covers_audit(policy)), len(policies))
    return (*policies[:place], audit_policy(archive_dir), *policies[place:])


def audit_policy(archive_dir: str) -> Policy:
    """Return the policy of audit records that no other policy names."""
    keep = AUDIT_KEEP if archive_dir else None
    return Policy(keep=keep, categories=(f"{AUDIT}*",), archive=keep is not None)


def names_audit(policy: Policy) -> bool:
    """Whether a policy names categories of audit records."""
    return any(name.startswith(AUDIT) for name in policy.categories)


def _covers_audit(policy: Policy) -> bool:
    wide = any(name.endswith("*") and AUDIT.startswith(name[:-1]) for name in policy.categories)
    return not names_audit(policy) and (wide or not policy.categories)


def _read(entry: object) -> Policy:
    if not isinstance(entry, Mapping):
        raise ValueError("no dictionary")
    if unknown := [key for key in entry if key not in KEYS]:
        raise ValueError(f"the key {unknown[0]!r}, which is none of {', '.join(KEYS)}")
    levels = tuple(level.upper() for level in _names(entry, "level"))
    if wrong := [level for level in levels if level not in LEVEL_NAMES]:
        raise ValueError(f"the level {wrong[0]!r}, which is none of {', '.join(LEVEL_NAMES)}")
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
