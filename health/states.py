"""The states of a probe, and the result of one run."""

from __future__ import annotations

import dataclasses
import enum


class State(enum.StrEnum):
    """State of a probe. If a critical probe fails, the instance is not ready; PASS and WARN leave it ready."""

    PASS = "pass"  # noqa: S105  (a state, not a password)
    WARN = "warn"
    FAIL = "fail"


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """Result of one run of a probe. `detail` may name hosts and paths, so only clients that may see details get it."""

    state: State
    detail: str
    finished: float
    """When the run ended, on the monotonic clock."""
    took_s: float
