"""The audit trail on the operations page: whether changes of audited models become records soon."""

from __future__ import annotations

from typing import Any

from systemlog.audit.draining import waiting_age_s
from systemlog.conf import conf
from systemlog.console.operations.registry import Part
from systemlog.console.operations.report import Fact, Report, State
from systemlog.console.operations.words import counted, seconds
from systemlog.probes import OUTBOX_LATE_S


def read(user: Any) -> Report | None:
    """Return the age of the oldest change that waits in an outbox. Returns None if no model is audited."""
    if not conf().AUDIT:
        return None
    age = waiting_age_s()
    late = age >= OUTBOX_LATE_S
    summary = (
        f"The oldest change waits for {seconds(age)}: is a lander at work?" if late else "Changes become records soon."
    )
    facts = [
        Fact("Audited", counted(len(conf().AUDIT), "model"), note=", ".join(sorted(conf().AUDIT))),
        Fact(
            "Oldest change waits for", seconds(age) if age else "nothing waits", State.WARNING if late else State.NONE
        ),
    ]
    return Report(summary, State.WARNING if late else State.GOOD, facts)


PART = Part("audit", "Audit trail", read, order=60)
