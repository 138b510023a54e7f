"""The generic cell rate algorithm (GCRA): a rate limit that needs one number for each key.

That number is the theoretical arrival time (TAT): when a key that asked evenly would be due next. A TAT in the past
says nothing, so an absent key and an expired one are the same. Times are integers in nanoseconds, of any one clock.
"""

from __future__ import annotations

from typing import NamedTuple

SECOND_NS = 10**9


class Rate(NamedTuple):
    """How often a key may ask: `burst` times at once, then once each interval."""

    interval_ns: int
    tolerance_ns: int
    """The interval, `burst` times: how far the TAT may be in the future."""


def make_rate(quota: int, window_ns: int, burst: int) -> Rate:
    """The rate of `quota` requests in a window. The interval is rounded up: never more than the quota is let in."""
    interval_ns = -(-window_ns // quota)
    return Rate(interval_ns, interval_ns * burst)


def advance(tat: int, now: int, rate: Rate) -> tuple[int, int]:
    """The TAT after a request, and what `remaining` and `wait_ns` read: the spare time.

    Negative spare time means that the request is refused, and the TAT stays as it was. A TAT that is further in the
    future than any admitted request could have put it is of another clock (a reboot, say): it counts as the furthest
    possible one.
    """
    interval_ns, tolerance_ns = rate
    latest = now + tolerance_ns
    after = (now if tat < now else min(tat, latest)) + interval_ns
    spare = latest - after
    return (after, spare) if spare >= 0 else (tat, spare)


def remaining(spare_ns: int, rate: Rate) -> int:
    """How many requests would be admitted at once, after this one."""
    return spare_ns // rate.interval_ns if spare_ns >= 0 else 0


def wait_ns(spare_ns: int, rate: Rate) -> int:
    """The time after which there is one more than `remaining`; after a refusal, when the next request is admitted."""
    return -spare_ns if spare_ns < 0 else rate.interval_ns - spare_ns % rate.interval_ns


def whole_seconds(span_ns: int) -> int:
    """The span rounded up to whole seconds, one at least: whoever waits so long has waited long enough."""
    return max(1, -(-span_ns // SECOND_NS))
