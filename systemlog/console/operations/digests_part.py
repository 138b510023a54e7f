"""The digests on the operations page: how far the log is sealed, and whether the last verification succeeded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from systemlog.conf import conf
from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Fact, Report, State
from systemlog.console.operations.words import count, seconds
from systemlog.digests.metrics import LogAltered, warning
from systemlog.digests.outside import outside


def read(user: Any) -> Report | None:
    """Return how far the log is sealed and verified. Returns None if there is no signing key."""
    if not conf().DIGEST_KEY:
        return None
    place = outside()
    head, verification = place.head(), place.last_verification()
    now = datetime.now(UTC)
    facts = [
        Fact(
            "Sealed until",
            f"{head.until:%Y-%m-%d %H:%M} UTC" if head and head.until else "no hour is sealed yet",
            note=f"{seconds((now - head.until).total_seconds())} ago" if head and head.until else "",
        ),
        Fact("Digests", count(head.number) if head else "none", note=head.sha256[:16] if head else ""),
        Fact(
            "Verified",
            f"{seconds((now - verification.at).total_seconds())} ago" if verification else "never on this host",
            State.ERROR if verification and not verification.held else State.NONE,
            note="" if verification else "`manage.py verify_system_logs`",
        ),
    ]
    try:
        wrong = warning()
    except LogAltered as error:
        return Report(str(error), State.ERROR, facts)
    if wrong:
        return Report(f"{wrong[0].upper()}{wrong[1:]}{'' if wrong.endswith('?') else '.'}", State.WARNING, facts)
    held = " The last verification held." if verification else ""
    return Report(f"Each hour is sealed in time.{held}", State.GOOD, facts)


PART = Part("digests", "Tamper evidence", read, order=45)
