"""Registers the parts of this app. Another app registers a part with `register` when it starts."""

from __future__ import annotations

from systemlog.console.operations import (
    alerts_part,
    audit_part,
    digests_part,
    groups_part,
    health_part,
    journal_part,
    partitions_part,
    problems_part,
)
from systemlog.console.operations.registry import register

for _part in (
    health_part.PART,
    alerts_part.PART,
    groups_part.PART,
    journal_part.PART,
    partitions_part.PART,
    partitions_part.PRUNING,
    digests_part.PART,
    problems_part.PART,
    audit_part.PART,
):
    register(_part)
