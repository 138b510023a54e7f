"""The metrics of the rate limits."""

from __future__ import annotations

import functools
from typing import NamedTuple

from prometheus_client import Counter


class Instruments(NamedTuple):
    """The counters of this process."""

    LIMITED: Counter
    FAILURES: Counter
    EVICTIONS: Counter


@functools.cache
def instruments() -> Instruments:
    """Return the counters. They are created on first use, after the project has set how its processes share metrics."""
    return Instruments(
        LIMITED=Counter("systemlog_limited", "Requests that a rate limit refused.", ["policy"]),
        FAILURES=Counter("systemlog_limits_store_failures", "Times that the store of the rate limits did not answer."),
        EVICTIONS=Counter(
            "systemlog_limits_evictions", "Keys that the shared store forgot too early, because their row was full."
        ),
    )
