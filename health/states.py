"""What a probe may find: the states, and the result of one run."""

from __future__ import annotations

import dataclasses
import enum


class State(enum.StrEnum):
    """Pass and warn serve; fail of a critical probe takes the instance out of service."""

    PASS = "pass"  # noqa: S105  (a state, not a password)
    WARN = "warn"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What one run of a probe found. `detail` may name hosts and paths: only for those who may see it."""

    state: State
    detail: str
    finished: float
    """When, on the monotonic clock."""
    took_s: float
