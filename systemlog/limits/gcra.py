"""The generic cell rate algorithm (GCRA): a rate limit that needs one number for each key.

That number is the theoretical arrival time (TAT): when the next request would come if requests came evenly. A TAT in
the past has no effect, so an absent key and an expired one are the same. Times are integers in nanoseconds.
"""

from __future__ import annotations

from typing import NamedTuple

SECOND_NS = 10**9


class Rate(NamedTuple):
    """How many requests a key has: `burst` at once, then one each interval."""

    interval_ns: int
    tolerance_ns: int
    """The longest time that the TAT may be in the future: `burst` intervals."""


def make_rate(quota: int, window_ns: int, burst: int) -> Rate:
    """Return the rate of `quota` requests in a window. The interval is rounded up, so that no more are admitted."""
    interval_ns = -(-window_ns // quota)
    return Rate(interval_ns, interval_ns * burst)


def advance(tat: int, now: int, rate: Rate) -> tuple[int, int]:
    """Return the TAT after a request, and the spare time. `remaining` and `wait_ns` make numbers for clients from it.

    Negative spare time means that the request is refused. A TAT that is further in the future than an admitted request
    can set it comes from another clock (one that was set back, for example). The latest possible one is returned in its
    place, and must be stored: otherwise the key would be refused until this clock has caught up with the other one.
    """
    interval_ns, tolerance_ns = rate
    latest = now + tolerance_ns
    tat = now if tat < now else min(tat, latest)
    spare = latest - tat - interval_ns
    return (tat + interval_ns if spare >= 0 else tat), spare


def remaining(spare_ns: int, rate: Rate) -> int:
    """Return how many more requests would be admitted at once."""
    return spare_ns // rate.interval_ns if spare_ns >= 0 else 0


def wait_ns(spare_ns: int, rate: Rate) -> int:
    """Return the time until one more than `remaining` is admitted; after a refusal, until the next one is."""
    return -spare_ns if spare_ns < 0 else rate.interval_ns - spare_ns % rate.interval_ns


def whole_seconds(span_ns: int) -> int:
    """Return the span rounded up to whole seconds, at least one, so that a client that waits for it is admitted."""
    return max(1, -(-span_ns // SECOND_NS))
