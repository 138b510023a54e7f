"""The algorithm: never more than the quota, and whoever waits as long as told is let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from systemlog.limits.gcra import SECOND_NS, Rate, advance, make_rate, remaining, wait_ns, whole_seconds

rates = st.builds(
    make_rate, st.integers(1, 1000), st.integers(1, 3600).map(lambda seconds: seconds * SECOND_NS), st.integers(1, 50)
)


def test_the_quota_is_let_in_at_once_and_then_one_each_interval() -> None:
    rate, tat = make_rate(5, 10 * SECOND_NS, 5), 0
    left = []
    for _ in range(7):
        tat, spare = advance(tat, 100, rate)
        left.append((spare >= 0, remaining(spare, rate), whole_seconds(wait_ns(spare, rate))))

    assert left == [
        (True, 4, 2),
        (True, 3, 2),
        (True, 2, 2),
        (True, 1, 2),
        (True, 0, 2),
        (False, 0, 2),
        (False, 0, 2),
    ]
    assert advance(tat, 100 + 2 * SECOND_NS, rate)[1] >= 0


@given(rate=rates, gaps=st.lists(st.integers(0, 10 * SECOND_NS), max_size=200))
def test_never_more_than_the_burst_and_one_each_interval_are_let_in(rate: Rate, gaps: list[int]) -> None:
    now, tat, admitted = 0, 0, []
    for gap in gaps:
        now += gap
        tat, spare = advance(tat, now, rate)
        if spare >= 0:
            admitted.append(now)
    burst = rate.tolerance_ns // rate.interval_ns

    for first, since in enumerate(admitted):
        within = [at for at in admitted[first:] if at - since < 5 * rate.interval_ns]
        assert len(within) <= burst + 5


@given(rate=rates, tat=st.integers(0, 2**62), now=st.integers(0, 2**60))
def test_whoever_waits_as_long_as_told_is_let_in_and_not_before(rate: Rate, tat: int, now: int) -> None:
    after, spare = advance(tat, now, rate)
    if spare >= 0:
        return
    assert after == min(tat, now + rate.tolerance_ns)
    wait = wait_ns(spare, rate)

    assert 0 < wait <= rate.interval_ns
    assert advance(after, now + wait, rate)[1] >= 0
    assert advance(after, now + wait - 1, rate)[1] < 0


@given(rate=rates, tat=st.integers(0, 2**62), now=st.integers(0, 2**60))
def test_there_is_one_more_after_the_time_told(rate: Rate, tat: int, now: int) -> None:
    after, spare = advance(tat, now, rate)
    if spare < 0 or remaining(spare, rate) == rate.tolerance_ns // rate.interval_ns - 1:
        return
    later = spare + wait_ns(spare, rate)

    assert later // rate.interval_ns == remaining(spare, rate) + 1
    assert after > now
