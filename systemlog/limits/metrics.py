"""Every metric of the room, by name."""

from __future__ import annotations

import functools
from typing import NamedTuple

from prometheus_client import Counter


class Instruments(NamedTuple):
    """The counters, each of the whole process."""

    LIMITED: Counter
    FAILURES: Counter
    EVICTIONS: Counter


@functools.cache
def instruments() -> Instruments:
    """The counters, made on first use: a project may first say how its processes share their metrics."""
    return Instruments(
        LIMITED=Counter("systemlog_limited", "Requests that a rate limit refused.", ["policy"]),
        FAILURES=Counter("systemlog_limits_store_failures", "Times that the store of the rate limits did not answer."),
        EVICTIONS=Counter(
            "systemlog_limits_evictions", "Keys that the shared store forgot too early, because their row was full."
        ),
    )
